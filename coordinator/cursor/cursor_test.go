package cursor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"stasis/internal/apierror"
	"stasis/internal/bubbles"
)

// shards is a Source of so many documents per shard, numbered through.
func shards(sizes ...int) Source {
	data := map[string][]string{}
	s := Source{Database: "db"}
	n := 0
	for i, size := range sizes {
		name := fmt.Sprintf("s%d", i)
		s.Shards = append(s.Shards, name)
		for range size {
			data[name] = append(data[name], fmt.Sprintf("%06d", n))
			n++
		}
	}
	s.Fetch = func(_ context.Context, shard, after string, limit int) (Page, error) {
		var p Page
		for _, key := range data[shard] {
			if key <= after {
				continue
			}
			if len(p.Documents) == limit {
				p.More = true
				break
			}
			p.Documents = append(p.Documents, json.RawMessage(`"`+key+`"`))
			p.LastKey = key
		}
		return p, nil
	}
	return s
}

// Whatever the sizes: every document once, in order, in full batches, and "more" is true
// exactly if there is more.
func TestWalk(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := shards(rapid.SliceOfN(rapid.IntRange(0, 7), 0, 5).Draw(t, "sizes")...)
		total := 0
		for _, shard := range s.Shards {
			p, err := s.Fetch(context.Background(), shard, "", 1000)
			require.NoError(t, err)
			total += len(p.Documents)
		}
		s.Skip = uint64(rapid.IntRange(0, 12).Draw(t, "skip"))
		s.Limited = rapid.Bool().Draw(t, "limited")
		s.Limit = uint64(rapid.IntRange(0, 30).Draw(t, "limit"))
		batch := rapid.IntRange(1, 9).Draw(t, "batch")
		first := min(int(s.Skip), total)
		last := total
		if s.Limited {
			last = min(total, first+int(s.Limit))
		}
		c := New(s, batch, time.Minute)
		at := first
		for {
			b, err := c.Next(context.Background())
			require.NoError(t, err)
			require.Len(t, b.Result, min(batch, last-at))
			for _, doc := range b.Result {
				require.Equal(t, fmt.Sprintf(`"%06d"`, at), string(doc))
				at++
			}
			require.Equal(t, at < last, b.More)
			if !b.More {
				require.Equal(t, last, at)
				return
			}
		}
	})
}

// A batch that fails loses nothing: the next call gives it.
func TestFailedBatchCanBeAskedForAgain(t *testing.T) {
	s := shards(5, 5)
	fetch, calls := s.Fetch, 0
	s.Fetch = func(ctx context.Context, shard, after string, limit int) (Page, error) {
		if calls++; calls%2 == 1 {
			return Page{}, errors.New("no leader")
		}
		return fetch(ctx, shard, after, limit)
	}
	c := New(s, 3, time.Minute)
	var got []string
	for more := true; more; {
		b, err := c.Next(t.Context())
		if err != nil {
			continue
		}
		for _, doc := range b.Result {
			got = append(got, string(doc))
		}
		more = b.More
	}
	require.Len(t, got, 10)
	require.IsIncreasing(t, got)
}

func TestStoreIsBoundedInNumberAndTime(t *testing.T) {
	bubbles.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		s := NewStore(2)
		done := make(chan struct{})
		go func() { s.Run(ctx); close(done) }()
		short, long := New(shards(3), 1, 2*time.Second), New(shards(3), 1, time.Hour)
		require.NoError(t, s.Add(short))
		require.NoError(t, s.Add(long))
		require.NotEqual(t, short.ID, long.ID)
		require.ErrorIs(t, s.Add(New(shards(), 1, time.Second)), apierror.ResourceLimit)
		_, err := s.Find("other", short.ID)
		require.ErrorIs(t, err, apierror.CursorNotFound)
		for range 3 { // each use gives it its time anew
			time.Sleep(1900 * time.Millisecond)
			_, err = s.Find("db", short.ID)
			require.NoError(t, err)
		}
		time.Sleep(3100 * time.Millisecond)
		require.Equal(t, 1, s.Len(), "forgotten without anybody asking")
		_, err = s.Find("db", short.ID)
		require.ErrorIs(t, err, apierror.CursorNotFound)
		require.ErrorIs(t, s.Remove("other", long.ID), apierror.CursorNotFound)
		require.NoError(t, s.Remove("db", long.ID))
		require.ErrorIs(t, s.Remove("db", long.ID), apierror.CursorNotFound)
		cancel()
		<-done
	})
}
