package shard

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"

	dbclient "stasis/dbserver/client"
	"stasis/internal/apierror"
	"stasis/internal/bubbles"
)

// Writers of one key take turns: with If-Match on what they read, exactly one of
// those that read the same revision wins, so every increment counts.
func TestConcurrentWritersOfOneKey(t *testing.T) {
	s := fresh(t)
	one(t, s, dbclient.Op{Kind: dbclient.OpInsert, Key: "k", Document: raw(`{"n":0}`)})
	var group sync.WaitGroup
	var won atomic.Int64
	var replaced sync.Map
	errs := make(chan error, 8)
	for range 8 {
		group.Go(func() {
			for range 100 {
				read, err := s.Documents(t.Context(), dbclient.DocumentsRequest{Ops: []dbclient.Op{{Kind: dbclient.OpRead, Key: "k"}}})
				if err != nil {
					errs <- err
					return
				}
				r, err := s.Documents(t.Context(), dbclient.DocumentsRequest{Collection: "c", Ops: []dbclient.Op{
					{Kind: dbclient.OpUpdate, Key: "k", IfMatch: read[0].Rev, Document: fmt.Appendf(nil, `{"n":%d}`, won.Load())},
				}})
				switch {
				case err != nil:
					errs <- err
					return
				case r[0].Error == nil:
					won.Add(1)
					if _, twice := replaced.LoadOrStore(r[0].OldRev, true); twice {
						errs <- fmt.Errorf("revision %s was replaced twice", r[0].OldRev)
						return
					}
				case !errors.Is(r[0].Error, apierror.Conflict):
					errs <- r[0].Error
					return
				}
			}
		})
	}
	group.Wait()
	require.Empty(t, errs)
	require.Equal(t, uint64(won.Load())+1, s.State().Last.Seq)
	require.NoError(t, s.Check(t.Context()))
}

// Truncate, drop and raising the term come between whole operations of others.
func TestTruncateAmongWriters(t *testing.T) {
	s := fresh(t)
	stop := make(chan struct{})
	_, wait := writeMany(s, 4, stop)
	for i := range 20 {
		require.NoError(t, s.Truncate(t.Context(), dbclient.TruncateRequest{WaitForSync: i%2 == 0}))
		require.NoError(t, s.Lead(Tenure{uint64(i + 2), 1}, solo{s.env.Engine}, true))
		require.NoError(t, s.Check(t.Context()))
	}
	close(stop)
	require.NoError(t, wait())
	require.NoError(t, s.Check(t.Context()))
	require.Equal(t, Tenure{21, 1}, s.State().Promised)
	require.ErrorIs(t, s.Lead(Tenure{20, 1}, solo{}, true), ErrOldTenure)
	require.NoError(t, s.Drop())
	_, err := s.Documents(t.Context(), dbclient.DocumentsRequest{Ops: []dbclient.Op{{Kind: dbclient.OpRead, Key: "k"}}})
	require.ErrorIs(t, err, apierror.ShardGone)
	require.ErrorIs(t, s.Truncate(t.Context(), dbclient.TruncateRequest{}), apierror.ShardGone)
}

func TestScanPages(t *testing.T) {
	s := fresh(t)
	for i := range 25 {
		one(t, s, dbclient.Op{Kind: dbclient.OpInsert, Key: fmt.Sprintf("%02d", i), Document: raw(`{}`)})
	}
	var sizes []int
	r := dbclient.ScanRequest{Limit: 10}
	for more := true; more; {
		page, err := s.Scan(t.Context(), r)
		require.NoError(t, err)
		sizes = append(sizes, len(page.Documents))
		r.After, more = page.LastKey, page.More
	}
	require.Equal(t, []int{10, 10, 5}, sizes)
	require.Equal(t, "24", r.After)
	page, err := s.Scan(t.Context(), dbclient.ScanRequest{After: "24"})
	require.NoError(t, err)
	require.Empty(t, page.Documents)
}

// The log keeps at most as many bytes as it may, and at least half of them.
func TestLogIsBoundedInBytes(t *testing.T) {
	o := open(t, vfs.NewMem(), &Clock{}, Retention{Entries: 1 << 40, Bytes: 10_000})
	defer o.close()
	s := o.leader(Tenure{1, 1})
	for i := range 500 {
		one(t, s, dbclient.Op{Kind: dbclient.OpInsert, Key: fmt.Sprint(i), Document: raw(`{"some":"content"}`)})
		m := metaOf(s)
		_, records, ok, err := s.Log(m.log.first, 1<<30)
		require.NoError(t, err)
		require.True(t, ok)
		size := 0
		for _, r := range records {
			size += len(r.Encode())
		}
		require.LessOrEqual(t, size, 10_200)
		if i > 200 {
			require.Greater(t, size, 4_800)
		}
	}
	_, _, ok, err := s.Log(1, 10)
	require.NoError(t, err)
	require.False(t, ok)
	require.NoError(t, s.Check(t.Context()))
}

func TestCreateTwice(t *testing.T) {
	o := open(t, vfs.NewMem(), &Clock{}, Retention{})
	defer o.close()
	one(t, o.leader(Tenure{5, 1}), dbclient.Op{Kind: dbclient.OpInsert, Key: "k", Document: raw(`{}`)})
	s, err := Create(o.env, "s1")
	require.NoError(t, err)
	require.Equal(t, Position{Tenure{5, 1}, 1}, s.State().Last)
	require.ErrorIs(t, s.Lead(Tenure{4, 9}, solo{}, true), ErrOldTenure)
	require.NoError(t, s.Lead(Tenure{6, 1}, solo{}, true))
}

// memoryStore is a clock's store that can fail.
type memoryStore struct {
	bound  uint64
	writes int
	err    error
}

func (m *memoryStore) ClockBound() (uint64, error) { return m.bound, m.err }
func (m *memoryStore) StoreClockBound(bound uint64) error {
	if m.err == nil {
		m.bound = bound
		m.writes++
	}
	return m.err
}

// The clock goes on when the wall clock steps back, after crashes and clean
// stops, on another store; and it writes seldom.
func TestClockOnlyGoesUp(t *testing.T) {
	store, last := &memoryStore{}, uint64(0)
	ticks := func(c *Clock, n int) {
		for range n {
			now, err := c.next()
			require.NoError(t, err)
			require.Greater(t, now, last)
			last = now
		}
	}
	var kept *Clock
	bubbles.Test(t, func(t *testing.T) {
		time.Sleep(time.Hour)
		c := &Clock{}
		require.NoError(t, c.Attach(store))
		for range 60 {
			ticks(c, 100)
			time.Sleep(time.Second)
		}
		require.LessOrEqual(t, store.writes, 3)
		kept = c
	})
	bubbles.Test(t, func(t *testing.T) { // a new bubble: the wall clock is an hour back
		c := &Clock{}
		require.NoError(t, c.Attach(store)) // after a crash
		ticks(c, 10)
		require.NoError(t, c.Detach())
		require.Equal(t, last+1, store.bound, "a clean stop leaves no jump")
		_, err := c.next()
		require.Error(t, err, "no store")
		require.NoError(t, c.Attach(&memoryStore{}), "another engine, without a bound")
		ticks(c, 10)
		store.err = errors.New("disk")
		require.Error(t, kept.Attach(store))
	})
}

func TestRevisionsSortAsTheirTimes(t *testing.T) {
	times := []uint64{0, 1, 63, 64, 4095, 1 << 20, 1<<20 + 1, 1 << 45, 1<<64 - 1}
	for i := 1; i < len(times); i++ {
		require.Less(t, revision(times[i-1]), revision(times[i]))
		require.Len(t, revision(times[i]), revisionLen)
	}
}

// What is not whole or of another format is refused, not guessed at.
func TestDamagedRecords(t *testing.T) {
	whole := Record{Tenure: Tenure{1 << 40, 3}, Seq: 9, Time: 5, Added: -2, Changes: []Change{{Kind: Put, Key: "k", Value: []byte("value")}, {Kind: Delete, Key: "j"}, {Kind: Truncate}}}
	encoded := whole.Encode()
	back, err := DecodeRecord(9, encoded)
	require.NoError(t, err)
	require.Equal(t, whole.Tenure, back.Tenure)
	require.Equal(t, whole.Added, back.Added)
	require.Equal(t, "value", string(back.Changes[0].Value))
	require.Len(t, back.Changes, 3)
	for n := range encoded {
		_, err := DecodeRecord(9, encoded[:n])
		require.ErrorIs(t, err, errRecord, n)
	}
	_, err = DecodeRecord(9, append([]byte{layoutFormat + 1}, encoded[1:]...))
	require.ErrorIs(t, err, errRecord)
	m := newMeta().encode()
	for n := range m {
		_, err := decodeMeta(m[:n])
		require.Error(t, err, n)
	}
	_, err = decodeMeta(append([]byte{layoutFormat + 1}, m[1:]...))
	require.ErrorIs(t, err, errMetaFormat)
}
