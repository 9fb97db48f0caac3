package cursor

import (
	"context"
	"encoding/json"
	"fmt"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"stasis/internal/apierror"
	"stasis/internal/bubbles"
)

// running is a store whose expired cursors are forgotten, as in a coordinator.
func running(t testing.TB, capacity int) (s *Store, stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	s = NewStore(int64(capacity) * BytesEach)
	done := make(chan struct{})
	go func() { s.Run(ctx); close(done) }()
	return s, func() { cancel(); <-done }
}

func TestStoreIsBoundedInBytesAndTime(t *testing.T) {
	bubbles.Test(t, func(t *testing.T) {
		s, stop := running(t, 2)
		defer stop()
		short, long := New(sourceOf(3), 1, 2*time.Second), New(sourceOf(3), 1, time.Hour)
		require.NoError(t, s.Add(short))
		require.NoError(t, s.Add(long))
		require.NotEqual(t, short.ID, long.ID)
		err := s.Add(New(sourceOf(), 1, time.Second))
		require.ErrorIs(t, err, apierror.ResourceLimit, "there are more cursors than there is room for")
		require.Equal(t, 503, apierror.From(err).Status())
		require.Equal(t, Usage{Open: 2, Bytes: 2 * BytesEach, MaxBytes: 2 * BytesEach, Refused: 1}, s.Usage())
		_, _, err = s.Use("other", short.ID)
		require.ErrorIs(t, err, apierror.CursorNotFound)
		for range 3 { // each use begins its time again
			time.Sleep(1900 * time.Millisecond)
			_, done, err := s.Use("db", short.ID)
			require.NoError(t, err)
			done()
		}
		_, done, err := s.Use("db", short.ID)
		require.NoError(t, err)
		time.Sleep(time.Minute)
		require.Equal(t, 2, s.Usage().Open, "its time is over while it is in use")
		done()
		time.Sleep(3100 * time.Millisecond)
		require.Equal(t, 1, s.Usage().Open, "it is not forgotten until a client asks")
		_, _, err = s.Use("db", short.ID)
		require.ErrorIs(t, err, apierror.CursorNotFound)
		require.ErrorIs(t, s.Remove("other", long.ID), apierror.CursorNotFound)
		require.NoError(t, s.Remove("db", long.ID))
		require.ErrorIs(t, s.Remove("db", long.ID), apierror.CursorNotFound)
	})
}

// Whatever clients do: a cursor is there from Add until its time is over or it is removed,
// and never are there more than there is room for.
func TestStoreModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		bubbles.Rapid(t, func(t *rapid.T) {
			capacity := rapid.IntRange(1, 4).Draw(t, "capacity")
			ctx, cancel := context.WithCancel(context.Background())
			s, done := NewStore(int64(capacity)*BytesEach), make(chan struct{})
			go func() { s.Run(ctx); close(done) }()
			defer func() { cancel(); <-done }()
			m := &storeModel{store: s, capacity: capacity, until: map[string]time.Time{}, ttl: map[string]time.Duration{}, busy: map[string]func(){}}
			t.Repeat(map[string]func(*rapid.T){
				"add": m.add, "use": m.use, "done": m.done, "remove": m.remove, "wait": m.wait, "": m.check,
			})
		})
	})
}

// storeModel says of every cursor that ever was until when it is there. Moments are drawn
// so that none falls on the end of a time.
type storeModel struct {
	store    *Store
	capacity int
	ids      []string
	until    map[string]time.Time
	ttl      map[string]time.Duration
	busy     map[string]func() // in use
	refused  uint64
}

func (m *storeModel) lives(id string) bool {
	until, ok := m.until[id]
	return ok && (m.busy[id] != nil || time.Now().Before(until))
}

func (m *storeModel) living() (n int) {
	for id := range m.until {
		if m.lives(id) {
			n++
		}
	}
	return n
}

func (m *storeModel) add(t *rapid.T) {
	ttl := time.Duration(rapid.IntRange(1, 5).Draw(t, "ttl")) * time.Second
	c := New(sourceOf(3), 1, ttl)
	err := m.store.Add(c)
	if err != nil {
		require.ErrorIs(t, err, apierror.ResourceLimit)
		m.refused++
		require.Equal(t, m.capacity, m.store.Usage().Open, "refused although there is room")
		return
	}
	require.Less(t, m.living(), m.capacity)
	m.ids, m.until[c.ID], m.ttl[c.ID] = append(m.ids, c.ID), time.Now().Add(ttl), ttl
}

func (m *storeModel) draw(t *rapid.T) string {
	if len(m.ids) == 0 {
		return "unknown"
	}
	return rapid.SampledFrom(m.ids).Draw(t, "id")
}

func (m *storeModel) use(t *rapid.T) {
	id := m.draw(t)
	if m.busy[id] != nil {
		return
	}
	c, done, err := m.store.Use("db", id)
	if !m.lives(id) {
		require.ErrorIs(t, err, apierror.CursorNotFound)
		return
	}
	require.NoError(t, err)
	require.Equal(t, id, c.ID)
	m.busy[id] = done
}

func (m *storeModel) done(t *rapid.T) {
	id := m.draw(t)
	if done := m.busy[id]; done != nil {
		done()
		delete(m.busy, id)
		if _, there := m.until[id]; there {
			m.until[id] = time.Now().Add(m.ttl[id])
		}
	}
}

func (m *storeModel) remove(t *rapid.T) {
	id := m.draw(t)
	err := m.store.Remove("db", id)
	require.Equal(t, m.lives(id), err == nil)
	delete(m.until, id)
}

func (m *storeModel) wait(t *rapid.T) {
	time.Sleep(time.Duration(rapid.IntRange(1, 30).Draw(t, "tenths"))*100*time.Millisecond + time.Millisecond)
}

func (m *storeModel) check(t *rapid.T) {
	u := m.store.Usage()
	require.LessOrEqual(t, u.Open, m.capacity)
	require.GreaterOrEqual(t, u.Open, m.living(), "a cursor is gone before its time")
	require.Equal(t, m.refused, u.Refused)
	require.Equal(t, u.Open*BytesEach, u.Bytes)
}

// What is counted for a cursor is not less than it takes, with the longest names and keys.
func TestCursorTakesNoMoreThanIsCounted(t *testing.T) {
	const n = 20_000
	key := strings.Repeat("k", 254-keyLength)
	s := NewStore(n * BytesEach)
	before := heap()
	for i := range n {
		source := sourceOf(1)
		db, id := strings.Repeat("d", 64), strconv.Itoa(1<<60+i)
		source.Shards, source.Database = 2, db
		count := uint64(i)
		source.Count = &count
		source.Fetch = func(context.Context, int, string, int) (Page, error) {
			after := fmt.Sprintf("%06d%s", i, key)
			doc := append([]byte(id), make([]byte, keptBytes-len(id))...)
			return Page{Documents: []json.RawMessage{[]byte("1"), doc}, PrevKey: after, LastKey: after, More: true}, nil
		}
		c := New(source, 1, time.Hour)
		_, err := c.Next(t.Context())
		require.NoError(t, err)
		require.Len(t, c.kept, keptBytes)
		require.NoError(t, s.Add(c))
	}
	each := (heap() - before) / n
	t.Logf("%d bytes each", each)
	require.LessOrEqual(t, each, int64(BytesEach))
	require.Equal(t, n, s.Usage().Open)
}

func heap() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
