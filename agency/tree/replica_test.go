package tree

import (
	"errors"
	"io"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/raft"
	"github.com/stretchr/testify/require"

	"stasis/agency/store"
	"stasis/fault"
	"stasis/fsm"
	"stasis/internal/bubbles"
)

// TestBrokenReplica: after an entry that cannot be decoded nothing is applied and
// no snapshot is taken.
func TestBrokenReplica(t *testing.T) {
	var halted error
	r := New(Config{KeepLog: 10, Halt: func(err error) { halted = err }})
	tx, err := fsm.ParseTransaction([]byte(`[{"x":1}]`))
	require.NoError(t, err)
	good := fsm.Command{Transactions: []fsm.Transaction{tx}}.Encode()
	require.IsType(t, Applied{}, r.Apply(&raft.Log{Index: 1, Data: good}))
	require.Error(t, r.Apply(&raft.Log{Index: 2, Data: nil}).(error))
	require.ErrorContains(t, halted, "entry 2")
	require.ErrorIs(t, r.Apply(&raft.Log{Index: 3, Data: good}).(error), ErrBroken)
	_, err = r.Snapshot()
	require.ErrorIs(t, err, ErrBroken)
	require.EqualValues(t, 1, r.State().Index())
}

// TestSnapshotPersist: a write that fails is reported and leaves no snapshot.
func TestSnapshotPersist(t *testing.T) {
	d, err := store.Open(store.Config{Dir: "agent", FS: vfs.NewMem(), Logger: hclog.NewNullLogger()})
	require.NoError(t, err)
	defer func() { require.NoError(t, d.Close()) }()
	stores := d.Snapshots
	sink, err := stores.Create(1, 7, 2, raft.Configuration{}, 1, nil)
	require.NoError(t, err)
	r := New(Config{KeepLog: 10})
	shot, err := r.Snapshot()
	require.NoError(t, err)
	require.ErrorIs(t, shot.Persist(failingSink{sink}), errFull)
	list, err := stores.List()
	require.NoError(t, err)
	require.Empty(t, list)
	sink, err = stores.Create(1, 7, 2, raft.Configuration{}, 1, nil)
	require.NoError(t, err)
	require.NoError(t, shot.Persist(sink))
	_, data, err := stores.Open(sink.ID())
	require.NoError(t, err)
	require.NoError(t, r.Restore(data))
	_, _, err = stores.Open("other")
	require.ErrorIs(t, err, os.ErrNotExist)
	require.ErrorIs(t, r.Restore(io.NopCloser(strings.NewReader("torn"))), fsm.ErrCorrupt)
}

var errFull = errors.New("disk full")

type failingSink struct{ raft.SnapshotSink }

func (failingSink) Write([]byte) (int, error) { return 0, errFull }

// TestOwnSnapshotMayTakeItsTime: it is written beside Raft's loop.
func TestOwnSnapshotMayTakeItsTime(t *testing.T) {
	bubbles.Test(t, func(t *testing.T) {
		disk := fault.NewDisk()
		d, err := store.Open(store.Config{Dir: "agent", FS: disk.FS(), Logger: hclog.NewNullLogger()})
		require.NoError(t, err)
		closing := func(close func() error) *store.Call {
			thaw := disk.Hang(fault.Calls{Kinds: fault.Any}).End
			closed := make(chan error, 1)
			go func() { closed <- close() }()
			synctest.Wait()
			var overdue *store.Call
			for range store.LooksPerPatience + 1 {
				overdue = d.Calls.Overdue(time.Second)
			}
			thaw()
			require.NoError(t, <-closed)
			return overdue
		}
		r := New(Config{KeepLog: 10})
		received, err := d.Snapshots.Create(1, 7, 2, raft.Configuration{}, 1, nil)
		require.NoError(t, err)
		_, err = r.State().WriteTo(received)
		require.NoError(t, err)
		overdue := closing(received.Close)
		require.NotNil(t, overdue)
		require.Equal(t, "publish a snapshot", overdue.What)
		sink, err := d.Snapshots.Create(1, 8, 2, raft.Configuration{}, 1, nil)
		require.NoError(t, err)
		own, err := r.Snapshot()
		require.NoError(t, err)
		require.Nil(t, closing(func() error { return own.Persist(sink) }))
		require.NoError(t, d.Close())
	})
}
