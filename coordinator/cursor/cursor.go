// Package cursor keeps the reading positions of clients that fetch a collection in
// batches. A coordinator holds a bounded number of them, each for a bounded time
// after its last use; a restarted one has none.
//
// A cursor walks the shards one after the other in key order. It is no snapshot:
// documents written meanwhile may or may not be met, none is met twice. A restore
// ends it, because its data is gone. A batch that fails leaves the position where it
// was, so the client may ask again. One batch is fetched at a time per cursor.
package cursor

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"encoding/json"
	"strconv"
	"sync"
	"time"

	"stasis/internal/apierror"
)

// Fetch reads at most limit documents of one shard, those with keys after after.
type Fetch func(ctx context.Context, shard, after string, limit int) (Page, error)

// Page is what Fetch brings.
type Page struct {
	Documents []json.RawMessage
	LastKey   string
	More      bool
}

// Source is what a cursor reads.
type Source struct {
	Database string
	Shards   []string
	Fetch    Fetch
	Skip     uint64
	Limit    uint64 // of all documents, if Limited
	Limited  bool
	Count    *uint64 // told to the client with every batch, if there is one
}

// maxBatchBytes ends a batch early: an answer is put together in memory.
const maxBatchBytes = 64 << 20

// Cursor is one reading position.
type Cursor struct {
	ID     string
	source Source
	batch  int
	ttl    time.Duration

	mu    sync.Mutex // held while a batch is fetched
	shard int
	after string
	skip  uint64
	left  uint64            // of the limit
	ahead []json.RawMessage // fetched, not yet given out

	expires time.Time // guarded by the Store
}

// New makes a cursor that no Store knows yet.
func New(s Source, batch int, ttl time.Duration) *Cursor {
	c := &Cursor{source: s, batch: max(batch, 1), ttl: ttl, skip: s.Skip, left: s.Limit}
	if !s.Limited {
		c.left = ^uint64(0)
	}
	return c
}

// Batch is one answer.
type Batch struct {
	ID     string // empty without More
	Result []json.RawMessage
	More   bool
	Count  *uint64
}

// Next gives the next batch.
func (c *Cursor) Next(ctx context.Context) (Batch, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	size := 0
	take := 0
	for ; take < c.batch && size < maxBatchBytes; take++ {
		if err := c.fill(ctx, take+1); err != nil {
			return Batch{}, err
		}
		if len(c.ahead) <= take {
			break
		}
		size += len(c.ahead[take])
	}
	if err := c.fill(ctx, take+1); err != nil { // one more says whether there is more
		return Batch{}, err
	}
	b := Batch{Result: c.ahead[:take:take], More: len(c.ahead) > take, Count: c.source.Count}
	c.ahead = c.ahead[take:]
	if b.More {
		b.ID = c.ID
	}
	return b, nil
}

// fill fetches until n documents are ahead, or there are no more.
func (c *Cursor) fill(ctx context.Context, n int) error {
	for len(c.ahead) < n && c.left > 0 && c.shard < len(c.source.Shards) {
		limit := min(uint64(c.batch)+1+c.skip, maxPage)
		page, err := c.source.Fetch(ctx, c.source.Shards[c.shard], c.after, int(limit))
		if err != nil {
			return err
		}
		c.after = page.LastKey
		if !page.More {
			c.shard, c.after = c.shard+1, ""
		}
		docs := page.Documents
		skipped := min(c.skip, uint64(len(docs)))
		c.skip -= skipped
		docs = docs[skipped:]
		docs = docs[:min(uint64(len(docs)), c.left)]
		c.left -= uint64(len(docs))
		c.ahead = append(c.ahead, docs...)
	}
	return nil
}

// maxPage bounds one request to a DB server.
const maxPage = 1000

// Store keeps the cursors of a coordinator.
type Store struct {
	max int

	mu      sync.Mutex
	cursors map[string]*Cursor
}

// NewStore makes a store of at most max cursors.
func NewStore(max int) *Store { return &Store{max: max, cursors: map[string]*Cursor{}} }

// Add gives the cursor an id and keeps it.
func (s *Store) Add(c *Cursor) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sweep(time.Now())
	if len(s.cursors) >= s.max {
		return apierror.New(apierror.ResourceLimit, "too many open cursors: %d", len(s.cursors))
	}
	var raw [8]byte
	_, _ = rand.Read(raw[:]) // does not fail, by its documentation
	c.ID = strconv.FormatUint(binary.BigEndian.Uint64(raw[:])>>1, 10)
	c.expires = time.Now().Add(c.ttl)
	s.cursors[c.ID] = c
	return nil
}

// Find is the cursor with this id in the database, and gives it its time anew.
func (s *Store) Find(db, id string) (*Cursor, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sweep(time.Now())
	c := s.cursors[id]
	if c == nil || c.source.Database != db {
		return nil, notFound(id)
	}
	c.expires = time.Now().Add(c.ttl)
	return c, nil
}

// Remove forgets a cursor.
func (s *Store) Remove(db, id string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c := s.cursors[id]; c == nil || c.source.Database != db {
		return notFound(id)
	}
	delete(s.cursors, id)
	return nil
}

func notFound(id string) error {
	return apierror.New(apierror.CursorNotFound, "cursor not found: %s", id)
}

// Run forgets cursors that nobody has used for their time, until ctx ends.
func (s *Store) Run(ctx context.Context) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-tick.C:
			s.mu.Lock()
			s.sweep(now)
			s.mu.Unlock()
		}
	}
}

func (s *Store) sweep(now time.Time) {
	for id, c := range s.cursors {
		if now.After(c.expires) {
			delete(s.cursors, id)
		}
	}
}

// Len is how many cursors are open.
func (s *Store) Len() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.cursors)
}
