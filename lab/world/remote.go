package world

import (
	"fmt"
	"os"
	"path"
	"path/filepath"
	"time"

	"stasis/client"
	"stasis/fault"
)

// remoteName is what the remote is called in requests.
const remoteName = "lab"

// remoteAt is a place at a remote, which is a folder.
func remoteAt(root, place string) client.Remote {
	return client.Remote{Path: remoteName + ":" + path.Join(root, place), Config: client.RemoteConfig{remoteName: {"type": "local"}}}
}

// localRemote is the remote of a cluster in this process: a folder on a disk of its own.
type localRemote struct {
	localDisk
	root string
}

// remoteSuffix makes the folder of the remote of the directory of a cluster: it is beside it, for a cluster is founded in an
// empty directory.
const remoteSuffix = ".remote"

// newLocalRemote has a disk among those of the servers, so that its faults are healed with theirs.
func newLocalRemote(kind Kind, dir string, disks *fault.Disks) (r localRemote, err error) {
	root := "/" + remoteName
	if kind != Bubble {
		root, err = remoteRoot(dir)
	}
	return localRemote{localDisk{kind: kind, disk: disks.Of(remoteName), hangs: &hangs{}}, root}, err
}

// remoteRoot makes the folder of the remote.
func remoteRoot(dir string) (string, error) {
	root, err := filepath.Abs(filepath.Clean(dir) + remoteSuffix)
	if err == nil {
		err = os.MkdirAll(root, 0o700)
	}
	if err != nil {
		return "", fmt.Errorf("make the folder of the remote: %w", err)
	}
	return root, nil
}

// At implements [Remote].
func (r localRemote) At(place string) client.Remote { return remoteAt(r.root, place) }

// processRemote is a folder that the processes write to by themselves.
type processRemote struct{ root string }

// At implements [Remote].
func (r processRemote) At(place string) client.Remote { return remoteAt(r.root, place) }

func (processRemote) Hang(fault.Calls) (Met, error) { return nil, Can(Processes, RemoteFaults) }

func (processRemote) Slow(fault.Calls, time.Duration) (Met, error) {
	return nil, Can(Processes, RemoteFaults)
}

func (processRemote) Fail(fault.Calls, error) (Met, error) { return nil, Can(Processes, RemoteFaults) }

func (processRemote) Fill(fault.Calls, int64) (Met, error) { return nil, Can(Processes, RemoteFaults) }

// HealAll implements [Remote]: there is nothing to heal.
func (processRemote) HealAll() error { return nil }
