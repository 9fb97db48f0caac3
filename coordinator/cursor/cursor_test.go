package cursor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// collection is documents by shard, in key order: what a Source reads. A document is a
// string that begins with its key.
type collection [][]string

const keyLength = 6

// shards has so many documents per shard, numbered through.
func shards(sizes ...int) collection {
	var c collection
	n := 0
	for _, size := range sizes {
		var docs []string
		for range size {
			docs = append(docs, fmt.Sprintf("%06d", n))
			n++
		}
		c = append(c, docs)
	}
	return c
}

// source reads what is in the collection at the time of each Fetch.
func (c *collection) source() Source {
	return Source{Database: "db", Shards: len(*c), Fetch: func(_ context.Context, shard int, after string, limit int) (Page, error) {
		var p Page
		for _, doc := range (*c)[shard] {
			key := doc[:keyLength]
			if key <= after {
				continue
			}
			if len(p.Documents) == limit {
				p.More = true
				break
			}
			p.Documents = append(p.Documents, json.RawMessage(`"`+doc+`"`))
			p.PrevKey, p.LastKey = p.LastKey, key
		}
		return p, nil
	}}
}

func sourceOf(sizes ...int) Source {
	c := shards(sizes...)
	return c.source()
}

// Whatever the sizes: every document once, in order, in full batches, and "more" is true
// exactly if there is more.
func TestWalk(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		sizes := rapid.SliceOfN(rapid.IntRange(0, 7), 0, 5).Draw(t, "sizes")
		c, total := shards(sizes...), 0
		for i, size := range sizes {
			total += size
			for j := range c[i] { // too large to be kept, or not
				c[i][j] += strings.Repeat("x", rapid.SampledFrom([]int{0, keptBytes}).Draw(t, "pad"))
			}
		}
		s := c.source()
		s.Skip = uint64(rapid.IntRange(0, 12).Draw(t, "skip"))
		s.Limited = rapid.Bool().Draw(t, "limited")
		s.Limit = uint64(rapid.IntRange(0, 30).Draw(t, "limit"))
		batch := rapid.IntRange(1, 9).Draw(t, "batch")
		first := min(int(s.Skip), total)
		last := total
		if s.Limited {
			last = min(total, first+int(s.Limit))
		}
		cur := New(s, batch, time.Minute)
		at := first
		for {
			b, err := cur.Next(context.Background())
			require.NoError(t, err)
			require.Len(t, b.Result, min(batch, last-at))
			for _, doc := range b.Result {
				require.Equal(t, fmt.Sprintf("%06d", at), string(doc[1:keyLength+1]))
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
	s := sourceOf(5, 5)
	fetch, calls := s.Fetch, 0
	s.Fetch = func(ctx context.Context, shard int, after string, limit int) (Page, error) {
		if calls++; calls%3 == 1 { // a batch takes two calls at most
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

// A batch ends when it is large, and the next one goes on behind it.
func TestLargeDocumentsMakeSmallBatches(t *testing.T) {
	c := collection{nil, nil}
	for i := range 10 {
		c[i%2] = append(c[i%2], fmt.Sprintf("%06d", i)+strings.Repeat("x", maxBatchBytes/3))
	}
	cur := New(c.source(), 100, time.Minute)
	fetch := cur.source.Fetch
	cur.source.Fetch = func(ctx context.Context, shard int, after string, _ int) (Page, error) {
		return fetch(ctx, shard, after, 1) // as a DB server answers if documents are large
	}
	seen, batches := map[string]bool{}, 0
	for more := true; more; batches++ {
		b, err := cur.Next(t.Context())
		require.NoError(t, err)
		require.LessOrEqual(t, len(b.Result), 3)
		require.Empty(t, cur.kept)
		for _, doc := range b.Result {
			key := string(doc[1 : keyLength+1])
			require.False(t, seen[key])
			seen[key] = true
		}
		more = b.More
	}
	require.Len(t, seen, 10)
	require.Equal(t, 4, batches)
}

// A client that was promised another batch gets a document in it, also if all others are
// gone by then: some clients cannot take an empty one.
func TestPromisedBatchIsNotEmpty(t *testing.T) {
	c := shards(2, 3)
	cur := New(c.source(), 2, time.Minute)
	b, err := cur.Next(t.Context())
	require.NoError(t, err)
	require.True(t, b.More)
	c[0], c[1] = nil, nil
	b, err = cur.Next(t.Context())
	require.NoError(t, err)
	require.Len(t, b.Result, 1)
	require.False(t, b.More)
}

// While one batch is fetched another request for the same cursor waits, as long as its
// client does.
func TestOneBatchAtATime(t *testing.T) {
	s := sourceOf(5)
	fetch, begun, let := s.Fetch, make(chan struct{}), make(chan struct{})
	s.Fetch = func(ctx context.Context, shard int, after string, limit int) (Page, error) {
		begun <- struct{}{}
		<-let
		return fetch(ctx, shard, after, limit)
	}
	cur := New(s, 1, time.Minute)
	first := make(chan error)
	go func() {
		_, err := cur.Next(t.Context())
		first <- err
	}()
	<-begun
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := cur.Next(ctx)
	require.ErrorIs(t, err, context.Canceled)
	close(let)
	require.NoError(t, <-first)
}
