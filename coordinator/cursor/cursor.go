// Package cursor keeps the reading positions of clients that fetch a collection in batches. A
// Store bounds the bytes of its cursors, and the time for which it keeps each after its last
// use. A coordinator that restarts has none.
//
// A cursor is a position, not a result: the shard and the key up to which documents were
// returned, and the next document if it is small. So it takes at most [BytesEach], whatever the
// size of the collection and of the batches. A Store keeps a cursor only if another batch
// follows.
//
// A cursor reads the shards one after the other in the order of keys. It is not a snapshot:
// documents that are written meanwhile may be in the result or not; none is in it twice. A
// restore ends the cursor, because it replaces the data. A batch that fails leaves the position
// where it was, so the client may ask again. A cursor fetches one batch at a time.
package cursor

import (
	"context"
	"encoding/json"
	"fmt"
	"time"
)

// Fetch reads at most limit documents of one shard, those with keys after after.
type Fetch func(ctx context.Context, shard int, after string, limit int) (Page, error)

// Page is a part of a shard, in the order of keys.
type Page struct {
	Documents []json.RawMessage
	PrevKey   string // of the document before the last; "" with less than two
	LastKey   string
	More      bool
}

// Source is what a cursor reads. The cursor keeps it, so it must be small.
type Source struct {
	Database string
	Shards   int // numbered from 0
	Fetch    Fetch
	Skip     uint64
	Limit    uint64 // of all documents, if Limited
	Limited  bool
	Count    *uint64 // in every batch; nil: not counted

	Transaction uint64 // in which it reads; 0: none
}

const (
	// maxBatchBytes ends a batch early: an answer is put together in memory.
	maxBatchBytes = 16 << 20
	// maxPage bounds one request to a DB server.
	maxPage = 1000
	// keptBytes is the largest document that a cursor keeps for its next batch.
	keptBytes = 1 << 10
)

// Cursor is one reading position.
type Cursor struct {
	ID     string // "" before a Store knows it
	source Source
	batch  int
	ttl    time.Duration

	turn chan struct{} // holds an element while a batch is fetched
	at   position
	kept json.RawMessage // the document before at, not returned yet

	users   int       // guarded by the Store
	expires time.Time // guarded by the Store
}

// position is after the document with this key.
type position struct {
	shard int
	after string
	skip  uint64
	left  uint64 // of the limit
}

// New makes a cursor that is in no Store yet.
func New(s Source, batch int, ttl time.Duration) *Cursor {
	c := &Cursor{source: s, batch: max(batch, 1), ttl: ttl, turn: make(chan struct{}, 1), at: position{skip: s.Skip, left: s.Limit}}
	if !s.Limited {
		c.at.left = ^uint64(0)
	}
	return c
}

// Transaction is the id of the transaction in which the cursor reads, 0 if it reads in none.
func (c *Cursor) Transaction() uint64 { return c.source.Transaction }

// Batch is one answer.
type Batch struct {
	Result []json.RawMessage
	More   bool
	Count  *uint64
}

// Next returns the next batch. If it fails, the next call returns the same one.
func (c *Cursor) Next(ctx context.Context) (Batch, error) {
	select {
	case c.turn <- struct{}{}:
	case <-ctx.Done():
		return Batch{}, fmt.Errorf("wait for the batch before: %w", ctx.Err())
	}
	defer func() { <-c.turn }()
	r := reading{source: &c.source, at: c.at}
	if c.kept != nil {
		r.take(c.kept)
	}
	more, err := r.until(ctx, c.batch+1) // the one more shows whether another batch follows
	if err != nil {
		return Batch{}, err
	}
	b := Batch{Result: r.documents, More: more, Count: c.source.Count}
	c.at, c.kept = r.at, nil
	if more {
		last := len(r.documents) - 1
		next := r.documents[last]
		b.Result = r.documents[:last:last]
		if len(next) <= keptBytes {
			c.kept = append(make(json.RawMessage, 0, len(next)), next...)
		} else {
			c.at = r.before
		}
	}
	return b, nil
}

// reading is one batch while it is fetched.
type reading struct {
	source    *Source
	at        position // after the last document
	before    position // before it
	documents []json.RawMessage
	bytes     int
}

func (r *reading) take(docs ...json.RawMessage) {
	for _, doc := range docs {
		r.bytes += len(doc)
	}
	r.documents = append(r.documents, docs...)
}

// until fetches n documents, or one more than a batch has room for. It returns false if the
// collection has no more than these.
func (r *reading) until(ctx context.Context, n int) (bool, error) {
	for len(r.documents) < n && r.at.left > 0 && r.at.shard < r.source.Shards {
		if len(r.documents) > 0 && r.bytes >= maxBatchBytes {
			n = len(r.documents) + 1
		}
		if err := r.page(ctx, uint64(n-len(r.documents))); err != nil {
			return false, err
		}
	}
	return len(r.documents) == n, nil
}

// page fetches at most n more documents of the current shard.
func (r *reading) page(ctx context.Context, n uint64) error {
	limit := min(min(n, r.at.left)+r.at.skip, maxPage)
	page, err := r.source.Fetch(ctx, r.at.shard, r.at.after, int(limit))
	if err != nil {
		return err
	}
	found := uint64(len(page.Documents))
	skipped := min(r.at.skip, found)
	taken := found - skipped
	if taken > 0 {
		r.before = r.at
		r.before.skip, r.before.left = 0, r.at.left-taken+1
		if found > 1 {
			r.before.after = page.PrevKey
		}
		r.take(page.Documents[skipped:]...)
	}
	r.at.after, r.at.skip, r.at.left = page.LastKey, r.at.skip-skipped, r.at.left-taken
	if !page.More {
		r.at.shard, r.at.after = r.at.shard+1, ""
	}
	return nil
}
