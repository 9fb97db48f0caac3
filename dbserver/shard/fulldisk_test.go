package shard

import (
	"io/fs"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
	"github.com/stretchr/testify/require"

	dbclient "stasis/dbserver/client"
	"stasis/internal/apierror"
)

// A full disk refuses writes as long as it is full, and a list of operations that
// meets it says which were done. When there is space again the shard goes on.
func TestFullDisk(t *testing.T) {
	var full atomic.Bool
	var met atomic.Int64
	o := open(t, errorfs.Wrap(vfs.NewMem(), errorfs.InjectorFunc(func(op errorfs.Op) error {
		if !full.Load() || op.Kind != errorfs.OpFileWrite || !strings.HasSuffix(op.Path, ".log") {
			return nil
		}
		met.Add(1)
		return &fs.PathError{Op: "write", Path: op.Path, Err: syscall.ENOSPC}
	})), &Clock{}, Retention{})
	t.Cleanup(o.close)
	s := o.leader(Tenure{1, 1})
	insert := func(key string) dbclient.Op {
		return dbclient.Op{Kind: dbclient.OpInsert, Key: key, Document: raw(`{}`)}
	}
	one(t, s, insert("before"))

	full.Store(true)
	waiting := make(chan error, 1)
	go func() { waiting <- o.env.Engine.SyncAll() }()
	for range 1000 {
		if met.Load() > 1 {
			break
		}
		<-time.After(5 * time.Millisecond)
	}
	results := do(t, s, dbclient.Op{Kind: dbclient.OpRead, Key: "before"}, insert("refused"), insert("too"))
	require.Nil(t, results[0].Error)
	require.ErrorIs(t, results[1].Error, apierror.NoSpace)
	require.ErrorIs(t, results[2].Error, apierror.NoSpace)

	full.Store(false)
	require.NoError(t, <-waiting)
	require.Nil(t, one(t, s, insert("after")).Error)
	require.Equal(t, apierror.DocumentNotFound, one(t, s, dbclient.Op{Kind: dbclient.OpRead, Key: "refused"}).Error.Num)
	require.NoError(t, s.Check(t.Context()))
}
