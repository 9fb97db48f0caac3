package shard

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	dbclient "stasis/dbserver/client"
	"stasis/dbserver/engine"
	"stasis/internal/budget"
)

const (
	defaultPage  = 1000
	maxPageBytes = 16 << 20 // of documents; a page has at least one
)

// Scan reads a page of documents in key order, as they are at one moment. It waits for what is prepared; see [Transactions.Settled].
func (s *Shard) Scan(ctx context.Context, r dbclient.ScanRequest) (dbclient.ScanResponse, error) {
	return scan(ctx, s, r, nil)
}

// scan reads a page of what is committed, with what a part has written over it (nil: nothing).
func scan(ctx context.Context, s *Shard, r dbclient.ScanRequest, own *Part) (page dbclient.ScanResponse, err error) {
	if err := s.Transactions().Settled(ctx); err != nil {
		return page, err
	}
	if err := s.enter(); err != nil {
		return page, err
	}
	defer s.content.RUnlock()
	limit := r.Limit
	if limit <= 0 {
		limit = defaultPage
	}
	it, err := s.env.Engine.NewIter(s.r.st.keys.documents(s.r.st.area, r.After))
	if err != nil {
		return page, fmt.Errorf("scan shard %s: %w", s.name, err)
	}
	defer func() { err = errors.Join(err, it.Close()) }()
	c := newCursor(s, it, r.After, own)
	for bytes := 0; c.ok; c.next() {
		if len(page.Documents) == limit || bytes >= maxPageBytes {
			page.More = true
			return page, nil
		}
		document, err := c.document()
		if err == nil {
			err = budget.Of(ctx).Take(resultFactor * int64(len(document)))
		}
		if err != nil {
			return page, fmt.Errorf("scan shard %s: key %q: %w", s.name, c.key, err)
		}
		page.Documents = append(page.Documents, document)
		page.PrevKey, page.LastKey = page.LastKey, c.key
		bytes += len(document)
		if err := ctx.Err(); err != nil {
			return page, fmt.Errorf("scan shard %s: %w", s.name, err)
		}
	}
	return page, it.Err()
}

// cursor goes over the committed documents, and what a part has written over them, in the order of keys.
type cursor struct {
	keys   layout
	it     *engine.Iterator
	more   bool // it is on a document
	hidden bool // the part has removed all committed ones

	part *Part
	own  []string // keys that the part has written and that are still to come

	ok     bool // it is on a document
	key    string
	staged *document // the part's; nil: it is the committed one
}

func newCursor(s *Shard, it *engine.Iterator, after string, own *Part) *cursor {
	c := &cursor{keys: s.r.st.keys, it: it, part: own}
	if own != nil {
		c.hidden = own.emptied
		all := own.sorted()
		i, found := slices.BinarySearch(all, after)
		if found {
			i++
		}
		c.own = all[i:]
	}
	c.more = !c.hidden && it.First()
	c.find()
	return c
}

// next goes on to the next document.
func (c *cursor) next() {
	if c.staged == nil {
		c.more = c.it.Next()
	}
	c.find()
}

// find stops at the next document that there is.
func (c *cursor) find() {
	for {
		stored := ""
		if c.more {
			stored = c.keys.keyOf(c.it.Key())
		}
		if len(c.own) == 0 || c.more && stored < c.own[0] {
			c.ok, c.key, c.staged = c.more, stored, nil
			return
		}
		key := c.own[0]
		c.own = c.own[1:]
		if c.more && stored == key {
			c.more = c.it.Next()
		}
		if d := c.part.staged[key].document; d != nil {
			c.ok, c.key, c.staged = true, key, d
			return
		}
	}
}

// document is the one that the cursor is on.
func (c *cursor) document() (json.RawMessage, error) {
	if c.staged != nil {
		return c.staged.json, nil
	}
	value, err := c.it.Value()
	if err != nil {
		return nil, err
	}
	d, err := decodeDocument(append([]byte(nil), value...))
	if err != nil {
		return nil, err
	}
	return d.json, nil
}
