package shard

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"

	dbclient "stasis/dbserver/client"
	"stasis/dbserver/locks"
	"stasis/internal/apierror"
	"stasis/internal/bubbles"
)

// recording is the quorum of a replica that is alone, and notes what it was asked.
type recording struct {
	solo
	mu      sync.Mutex
	awaited int  // how often
	synced  bool // the last time
}

func (q *recording) Await(ctx context.Context, seq uint64, sync bool) error {
	q.mu.Lock()
	q.awaited, q.synced = q.awaited+1, sync
	q.mu.Unlock()
	return q.solo.Await(ctx, seq, sync)
}

// door is a passage through a gate; each entry of left is what the quorum had been asked when the gate was left.
type door struct {
	q      *recording
	left   []int
	inside bool
	shut   error // of the way back
}

func (d *door) Aside(wait func()) error {
	d.q.mu.Lock()
	d.left, d.inside = append(d.left, d.q.awaited), false
	d.q.mu.Unlock()
	wait()
	d.inside = d.shut == nil
	return d.shut
}

// locking is a shard with a key that is held for long, as by a transaction.
type locking struct {
	s      *Shard
	q      *recording
	door   *door
	holder *locks.Owner
}

// holding runs a test in a bubble in which key "held" is held.
func holding(t *testing.T, test func(*testing.T, *locking)) {
	bubbles.Test(t, func(t *testing.T) {
		o := open(t, vfs.NewMem(), &Clock{}, Retention{})
		defer o.close()
		q := &recording{solo: solo{o.env.Engine}}
		l := &locking{s: o.leader(Tenure{1, 1}), q: q, door: &door{q: q, inside: true}, holder: &locks.Owner{Patient: true}}
		require.NoError(t, l.s.Lead(Tenure{2, 1}, q, true))
		require.NoError(t, l.s.locks.Key(t.Context(), l.holder, "held", 0))
		test(t, l)
		l.s.env.Locks.Release(l.holder)
		require.NoError(t, l.s.locks.Whole(t.Context(), l.holder, 0), "a lock is left")
		l.s.env.Locks.Release(l.holder)
	})
}

// writing is a call of Documents that inserts keys.
type writing struct {
	results []dbclient.OpResult
	err     error
	done    chan struct{}
}

func (l *locking) write(ctx, client context.Context, keys ...string) *writing {
	w := &writing{done: make(chan struct{})}
	r := dbclient.DocumentsRequest{Collection: "c", Waiting: dbclient.Waiting{Client: client, Passage: l.door}}
	for _, k := range keys {
		r.Ops = append(r.Ops, dbclient.Op{Kind: dbclient.OpInsert, Key: k, Document: raw(`{}`)})
	}
	go func() {
		defer close(w.done)
		w.results, w.err = l.s.Documents(ctx, r)
	}()
	synctest.Wait()
	return w
}

func (w *writing) over() bool {
	select {
	case <-w.done:
		return true
	default:
		return false
	}
}

// A write that waits for one that may hold the key for long has left the gate, has awaited what it numbered before, and holds
// nothing meanwhile: all others go on, also those that take the content for themselves.
func TestAWriteWaitsForAKeyOutsideTheGate(t *testing.T) {
	holding(t, func(t *testing.T, l *locking) {
		w := l.write(t.Context(), t.Context(), "a", "held", "b")
		require.False(t, w.over())
		require.False(t, l.door.inside, "a write waits inside the gate for a transaction")
		require.Equal(t, []int{1}, l.door.left, "the gate is left before what was numbered is committed")
		begun := time.Now()
		one(t, l.s, dbclient.Op{Kind: dbclient.OpInsert, Key: "c", Document: raw(`{}`)})
		l.s.content.Lock()
		dropped := l.s.dropped
		l.s.content.Unlock()
		require.False(t, dropped)
		require.NoError(t, l.s.Check(t.Context()))
		require.Zero(t, time.Since(begun))
		time.Sleep(time.Second)
		require.False(t, w.over())
		l.s.env.Locks.Release(l.holder)
		<-w.done
		require.NoError(t, w.err)
		require.True(t, l.door.inside)
		require.Len(t, l.door.left, 1)
		for _, r := range w.results {
			require.Nil(t, r.Error)
		}
		require.Equal(t, uint64(4), l.s.State().Count)
	})
}

// A key that is held too long costs the operation, and no other. All operations of a call together wait so long once.
func TestAKeyIsHeldTooLong(t *testing.T) {
	holding(t, func(t *testing.T, l *locking) {
		require.NoError(t, l.s.locks.Key(t.Context(), l.holder, "held2", 0))
		begun := time.Now()
		w := l.write(t.Context(), t.Context(), "a", "held", "b", "held2", "c")
		<-w.done
		require.NoError(t, w.err)
		require.Equal(t, lockWait, time.Since(begun))
		require.Len(t, w.results, 5)
		for i, r := range w.results {
			if i%2 == 0 {
				require.Nil(t, r.Error)
				continue
			}
			require.ErrorIs(t, r.Error, apierror.LockTimeout)
			require.ErrorContains(t, r.Error, "of shard s1 was not free within")
		}
		require.True(t, l.door.inside)
		require.Equal(t, uint64(3), l.s.State().Count)
	})
}

// A client that has set a time waits no longer than that for a key.
func TestAKeyIsWaitedForAsLongAsTheClientSays(t *testing.T) {
	holding(t, func(t *testing.T, l *locking) {
		begun := time.Now()
		results, err := l.s.Documents(t.Context(), dbclient.DocumentsRequest{
			Collection: "c", Ops: []dbclient.Op{{Kind: dbclient.OpRemove, Key: "held"}},
			Waiting: dbclient.Waiting{Passage: l.door, Until: begun.Add(2 * time.Second)},
		})
		require.NoError(t, err)
		require.ErrorIs(t, results[0].Error, apierror.LockTimeout)
		require.Equal(t, 2*time.Second, time.Since(begun))
	})
}

// A client that goes ends its own wait, with the reason, and not what was done for it.
func TestAWaitEndsWithItsClient(t *testing.T) {
	holding(t, func(t *testing.T, l *locking) {
		gone := errors.New("the connection was closed")
		client, leave := context.WithCancelCause(t.Context())
		w := l.write(t.Context(), client, "a", "held")
		leave(gone)
		<-w.done
		require.NoError(t, w.err)
		require.ErrorIs(t, w.results[1].Error, apierror.Cancelled)
		require.ErrorContains(t, w.results[1].Error, "the connection was closed")
		require.Nil(t, w.results[0].Error)

		l.door.shut = errors.New("the data is about to be closed") // the gate lets it in no more
		client, leave = context.WithCancelCause(t.Context())
		w = l.write(t.Context(), client, "b", "held", "c")
		leave(gone)
		<-w.done
		require.NoError(t, w.err)
		require.Len(t, w.results, 3, "what has no result is asked for again, or counts as unknown")
		require.ErrorIs(t, w.results[1].Error, apierror.Cancelled)
		require.ErrorContains(t, w.results[2].Error, "the data is about to be closed", "it wrote outside the gate")
		require.Equal(t, uint64(2), l.s.State().Count)
	})
}

// A backup holds the gate when a write that waited for a key comes back, and for longer than the client waits. Each operation
// from there on is refused with the backup's name, and none is done.
func TestTheGateIsClosedAfterAWait(t *testing.T) {
	holding(t, func(t *testing.T, l *locking) {
		l.door.shut = apierror.New(apierror.GateClosed, "backup b holds up writes")
		w := l.write(t.Context(), t.Context(), "a", "held", "b")
		l.s.env.Locks.Release(l.holder)
		<-w.done
		require.NoError(t, w.err)
		require.Equal(t, uint64(1), l.s.State().Count, "a call writes outside the gate")
		require.Len(t, w.results, 3)
		require.Nil(t, w.results[0].Error)
		for _, r := range w.results[1:] {
			require.ErrorIs(t, r.Error, apierror.GateClosed)
		}
	})
}

// A call that has waited outside the gate for as long as it may waits for a brief owner all the same.
func TestBriefWaitsAfterALongOne(t *testing.T) {
	holding(t, func(t *testing.T, l *locking) {
		brief := &locks.Owner{}
		time.AfterFunc(lockWait-time.Second, func() { require.NoError(t, l.s.locks.Key(t.Context(), brief, "b", 0)) })
		time.AfterFunc(lockWait+time.Second, func() { l.s.env.Locks.Release(brief) })
		w := l.write(t.Context(), t.Context(), "held", "b")
		<-w.done
		require.NoError(t, w.err)
		require.ErrorIs(t, w.results[0].Error, apierror.LockTimeout)
		require.Nil(t, w.results[1].Error)
	})
}

// A write that waited for a key finds that this server leads no more.
func TestLeadershipEndsDuringAWait(t *testing.T) {
	holding(t, func(t *testing.T, l *locking) {
		w := l.write(t.Context(), t.Context(), "held")
		l.s.Follow(Tenure{2, 1})
		l.s.env.Locks.Release(l.holder)
		<-w.done
		require.ErrorIs(t, w.err, apierror.NotLeader)
	})
}

// A leadership ends the waits of the one before, and the holds: what was decided under them met other documents.
func TestAnotherLeadershipBeginsDuringAWait(t *testing.T) {
	holding(t, func(t *testing.T, l *locking) {
		w := l.write(t.Context(), t.Context(), "held")
		l.s.Follow(Tenure{2, 1})
		now := &recording{solo: l.q.solo}
		require.NoError(t, l.s.Lead(Tenure{3, 1}, now, true))
		<-w.done
		require.ErrorIs(t, w.err, apierror.NotLeader)
		require.Zero(t, l.s.State().Count)
		again := l.write(t.Context(), t.Context(), "held")
		<-again.done
		require.NoError(t, again.err, "a hold of an earlier leadership is left")
		require.Equal(t, 1, now.awaited, "it is acknowledged without the replicas of its leadership")
		require.Zero(t, l.q.awaited)
	})
}

// A truncation waits outside the gate, too, until none has a key; it does not keep readers out, and writes come after it.
func TestTruncateWaitsForHolders(t *testing.T) {
	holding(t, func(t *testing.T, l *locking) {
		one(t, l.s, dbclient.Op{Kind: dbclient.OpInsert, Key: "a", Document: raw(`{}`)})
		done := make(chan error, 1)
		go func() {
			done <- l.s.Truncate(t.Context(), dbclient.TruncateRequest{Waiting: dbclient.Waiting{Passage: l.door}})
		}()
		synctest.Wait()
		require.Empty(t, done, "a key is held")
		require.False(t, l.door.inside)
		page, err := l.s.Scan(t.Context(), dbclient.ScanRequest{})
		require.NoError(t, err)
		require.Len(t, page.Documents, 1)
		w := l.write(t.Context(), t.Context(), "b")
		require.False(t, w.over(), "it overtakes the truncation")
		l.s.env.Locks.Release(l.holder)
		require.NoError(t, <-done)
		<-w.done
		require.Nil(t, w.results[0].Error)
		require.Equal(t, uint64(1), l.s.State().Count)

		require.NoError(t, l.s.locks.Key(t.Context(), l.holder, "held", 0))
		begun := time.Now()
		require.ErrorIs(t, l.s.Truncate(t.Context(), dbclient.TruncateRequest{}), apierror.LockTimeout)
		require.Equal(t, lockWait, time.Since(begun))
	})
}

// Keys that are different do not wait for each other, however many are held.
func TestNoFalseConflicts(t *testing.T) {
	holding(t, func(t *testing.T, l *locking) {
		for n := range 1000 {
			require.NoError(t, l.s.locks.Key(t.Context(), l.holder, fmt.Sprint("held", n), 0))
		}
		var others []string
		for n := range 1000 {
			others = append(others, fmt.Sprint("free", n))
		}
		begun := time.Now()
		<-l.write(t.Context(), t.Context(), others...).done
		require.Zero(t, time.Since(begun), "keys that are different wait for each other")
		require.Empty(t, l.door.left)
	})
}

// What a call has written is synced, if that is wanted, also when it waits for it before its end.
func TestAReadAfterAWriteLeavesNothingUnsynced(t *testing.T) {
	holding(t, func(t *testing.T, l *locking) {
		_, err := l.s.Documents(t.Context(), dbclient.DocumentsRequest{Collection: "c", WaitForSync: true, Ops: []dbclient.Op{
			{Kind: dbclient.OpInsert, Key: "k", Document: raw(`{}`)}, {Kind: dbclient.OpRead, Key: "k"},
		}})
		require.NoError(t, err)
		require.True(t, l.q.synced, "what it wrote is not synced")
	})
}
