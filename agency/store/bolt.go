package store

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/hashicorp/raft"
	raftboltdb "github.com/hashicorp/raft-boltdb/v2"
	"go.etcd.io/bbolt"

	"stasis/internal/datadir"
)

// boltWait bounds the wait for Bolt's own file lock. The directory's lock is already held.
const boltWait = 5 * time.Second

// openBolt opens a Bolt store. A new store appears whole or not at all.
func openBolt(path string) (*raftboltdb.BoltStore, error) {
	open := func(path string) (*raftboltdb.BoltStore, error) {
		return raftboltdb.New(raftboltdb.Options{
			Path: path,
			// The list of free pages is computed at the start instead of being written with
			// every entry.
			BoltOptions: &bbolt.Options{Timeout: boltWait, FreelistType: bbolt.FreelistMapType, NoFreelistSync: true},
		})
	}
	if there, err := exists(vfs.Default, path); err != nil {
		return nil, err
	} else if there {
		return open(path)
	}
	temp := path + ".new"
	if err := os.Remove(temp); err != nil && !errors.Is(err, os.ErrNotExist) { // left by a start that died
		return nil, err
	}
	store, err := open(temp)
	if err == nil {
		err = errors.Join(store.Sync(), store.Close())
	}
	if err == nil {
		err = os.Rename(temp, path)
	}
	if err == nil {
		err = datadir.SyncDir(vfs.Default, filepath.Dir(path))
	}
	if err != nil {
		return nil, err
	}
	return open(path)
}

// deletedAtOnce is how many entries are deleted in one step. Nothing is appended during a step.
const deletedAtOnce = 256

// steppedLog is a log for which deleting an entry is work, as it is for Bolt's.
type steppedLog struct{ raft.LogStore }

// DeleteRange deletes old entries in small steps, so that writes do not wait long for a compaction.
// Entries that a leader or a snapshot has replaced are deleted in one step: a part of them must not
// look like a log.
func (l steppedLog) DeleteRange(from, to uint64) error {
	last, err := l.LogStore.LastIndex()
	if err != nil {
		return err
	}
	for ; to < last && to-from >= deletedAtOnce; from += deletedAtOnce {
		if err := l.LogStore.DeleteRange(from, from+deletedAtOnce-1); err != nil {
			return err
		}
	}
	return l.LogStore.DeleteRange(from, to)
}

// readTerm returns the newest term that Raft knew, 0 if it never began. Bolt panics when it finds
// its own pages damaged; readTerm returns that as an error.
func readTerm(stable raft.StableStore) (term uint64, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("the file is damaged: %v", p)
		}
	}()
	term, err = stable.GetUint64([]byte(keyTerm))
	if errors.Is(err, raftboltdb.ErrKeyNotFound) {
		return 0, nil
	}
	return term, err
}
