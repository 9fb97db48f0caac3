package world

import (
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"

	"stasis/dbserver/transfer/remotetest"
	"stasis/dbserver/transfer/storage"
	"stasis/fault"

	dbclient "stasis/dbserver/client"
)

// The remote of worlds in this process is one that transfers can count on, in memory and on a real disk.
func TestRemoteFolder(t *testing.T) {
	for name, disks := range map[string]*fault.Disks{"memory": fault.NewDisks(), "real": fault.WrapDisks(vfs.Default)} {
		t.Run(name, func(t *testing.T) {
			all, at := &remoteFolders{disk: disks.Of(remoteName)}, dbclient.Remote{Name: remoteName, Path: t.TempDir() + "/a"}
			remotetest.Suite(t, func(t *testing.T) storage.Remote {
				require.NoError(t, all.Check(at, nil))
				r, err := all.Open(t.Context(), at, nil, nil)
				require.NoError(t, err)
				return r
			})
		})
	}
}

// A place of a remote is what coordinators take for one.
func TestRemoteAt(t *testing.T) {
	root, err := remoteRoot(t.TempDir())
	require.NoError(t, err)
	require.DirExists(t, root)
	for _, r := range []Remote{localRemote{root: root}, processRemote{root}} {
		one, other := r.At("a"), r.At("b")
		require.NotEqual(t, one, other)
		parsed, err := dbclient.ParseRemote(one.Path, dbclient.RemoteConfig(one.Config))
		require.NoError(t, err)
		require.Equal(t, dbclient.Remote{Name: remoteName, Path: root + "/a"}, parsed)
	}
}

// What the processes write to by themselves cannot be broken.
func TestRemoteOfProcesses(t *testing.T) {
	var r Remote = processRemote{}
	var unsupported *Unsupported
	for _, fault := range []func() (Met, error){
		func() (Met, error) { return r.Hang(fault.Calls{}) }, func() (Met, error) { return r.Slow(fault.Calls{}, 1) },
		func() (Met, error) { return r.Fail(fault.Calls{}, nil) }, func() (Met, error) { return r.Fill(fault.Calls{}, 0) },
	} {
		_, err := fault()
		require.ErrorAs(t, err, &unsupported)
	}
	require.NoError(t, r.HealAll())
}
