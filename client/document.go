package client

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
)

// Meta identifies one revision of a document.
type Meta struct {
	ID  string `json:"_id"`
	Key string `json:"_key"`
	Rev string `json:"_rev"`
}

// Ref names a document. If Rev is set, a request is carried out only if the document still
// has this revision; otherwise it fails with [ErrConflict].
type Ref struct {
	Collection, Key, Rev string
}

func (d *Database) documents(collection string) string {
	return d.path("/_api/document/" + url.PathEscape(collection))
}

// on is a request about one document.
func (d *Database) on(ctx context.Context, method string, r Ref, body, into any) error {
	return d.do(ctx, request{method: method, path: d.documents(r.Collection) + "/" + url.PathEscape(r.Key), body: body, ifMatch: r.Rev}, into)
}

// Insert stores a new document. Without a _key the coordinator makes one. [ErrExists]: the key
// or a unique value is taken.
func (d *Database) Insert(ctx context.Context, collection string, doc any) (Meta, error) {
	var m Meta
	return m, d.do(ctx, request{method: http.MethodPost, path: d.documents(collection), body: doc}, &m)
}

// Put stores one document under its _key, whether there was one or not.
func (d *Database) Put(ctx context.Context, collection string, doc any) error {
	return d.do(ctx, request{method: http.MethodPost, path: d.documents(collection) + "?overwriteMode=replace&silent=true", body: doc}, nil)
}

// Read decodes a document into into, a pointer.
func (d *Database) Read(ctx context.Context, r Ref, into any) error {
	return d.on(ctx, http.MethodGet, r, nil, into)
}

// Replace puts doc in the place of a document that exists.
func (d *Database) Replace(ctx context.Context, r Ref, doc any) (Meta, error) {
	var m Meta
	return m, d.on(ctx, http.MethodPut, r, doc, &m)
}

// Update merges patch into a document that exists.
func (d *Database) Update(ctx context.Context, r Ref, patch any) (Meta, error) {
	var m Meta
	return m, d.on(ctx, http.MethodPatch, r, patch, &m)
}

// Remove removes a document.
func (d *Database) Remove(ctx context.Context, r Ref) error {
	return d.on(ctx, http.MethodDelete, r, nil, nil)
}

// pageSize is how many documents one answer to Documents has.
const pageSize = 1000

// Documents reads a whole collection, page by page, in no promised order, and not as of one
// instant. It ends when each fails, with that error.
func (d *Database) Documents(ctx context.Context, collection string, each func(json.RawMessage) error) error {
	type page struct {
		ID      string            `json:"id"`
		Result  []json.RawMessage `json:"result"`
		HasMore bool              `json:"hasMore"`
	}
	body := struct {
		Collection string `json:"collection"`
		BatchSize  int    `json:"batchSize"`
	}{collection, pageSize}
	var p page
	err := d.do(ctx, request{method: http.MethodPut, path: d.path("/_api/simple/all"), body: body, reads: true}, &p)
	for err == nil {
		for _, doc := range p.Result {
			if err := each(doc); err != nil {
				return err
			}
		}
		if !p.HasMore {
			return nil
		}
		id := p.ID
		p = page{}
		err = d.do(ctx, request{method: http.MethodPut, path: d.path("/_api/cursor/" + id), reads: true}, &p)
	}
	return fmt.Errorf("reading collection %s: %w", collection, err)
}

// OnDuplicate says what an import does when a key exists.
type OnDuplicate string

// What an import can do when a key exists.
const (
	DuplicateError   OnDuplicate = "error" // count it as an error
	DuplicateUpdate  OnDuplicate = "update"
	DuplicateReplace OnDuplicate = "replace"
	DuplicateIgnore  OnDuplicate = "ignore"
)

// ImportResult counts what an import did.
type ImportResult struct {
	Created int64    `json:"created"`
	Errors  int64    `json:"errors"`
	Empty   int64    `json:"empty"`
	Updated int64    `json:"updated"`
	Ignored int64    `json:"ignored"`
	Details []string `json:"details"` // of the lines that were refused
}

// Import stores documents that are read from lines, one JSON object a line. A line that
// is refused is counted and does not end the import.
func (d *Database) Import(ctx context.Context, collection string, on OnDuplicate, lines io.Reader) (ImportResult, error) {
	q := url.Values{"collection": {collection}, "type": {"documents"}, "details": {"true"}, "onDuplicate": {string(on)}}
	var res ImportResult
	err := d.do(ctx, request{method: http.MethodPost, path: d.path("/_api/import?" + q.Encode()), body: lines}, &res)
	return res, err
}
