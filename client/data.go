package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"

	"stasis/internal/apierror"
)

// Database is one database seen through a client.
type Database struct {
	client *Client
	prefix string
}

// Database gives access to the database name; "" is _system. It asks nobody.
func (c *Client) Database(name string) *Database {
	if name == "" {
		name = "_system"
	}
	return &Database{client: c, prefix: "/_db/" + url.PathEscape(name)}
}

// EnsureDatabase creates the database unless it exists, as _system always does.
func (c *Client) EnsureDatabase(ctx context.Context, name string) error {
	if name == "_system" {
		return nil
	}
	err := c.Do(ctx, http.MethodPost, "/_api/database", map[string]any{"name": name}, nil)
	if errors.Is(err, apierror.DuplicateName) {
		return nil
	}
	return err
}

// Layout says how a collection is cut into shards, and on how many servers each is.
// Zero fields are left to the server.
type Layout struct {
	Shards            int `json:"numberOfShards,omitempty"`
	ReplicationFactor int `json:"replicationFactor,omitempty"`
	WriteConcern      int `json:"writeConcern,omitempty"`
}

// CreateCollection creates a document collection.
func (d *Database) CreateCollection(ctx context.Context, name string, shards int) error {
	return d.CreateCollectionAs(ctx, name, Layout{Shards: shards})
}

// CreateCollectionAs creates a document collection with a layout.
func (d *Database) CreateCollectionAs(ctx context.Context, name string, l Layout) error {
	body := struct {
		Name string `json:"name"`
		Layout
	}{name, l}
	return d.client.Do(ctx, http.MethodPost, d.prefix+"/_api/collection", body, nil)
}

// EnsureCollection creates a document collection unless it exists.
func (d *Database) EnsureCollection(ctx context.Context, name string, l Layout) error {
	if err := d.CreateCollectionAs(ctx, name, l); err != nil && !errors.Is(err, apierror.DuplicateName) {
		return err
	}
	return nil
}

// DropCollection removes a collection.
func (d *Database) DropCollection(ctx context.Context, name string) error {
	return d.client.Do(ctx, http.MethodDelete, d.prefix+"/_api/collection/"+url.PathEscape(name), nil, nil)
}

// Truncate removes all documents of a collection.
func (d *Database) Truncate(ctx context.Context, name string) error {
	return d.client.Do(ctx, http.MethodPut, d.prefix+"/_api/collection/"+url.PathEscape(name)+"/truncate", nil, nil)
}

// Count is the number of documents in a collection.
func (d *Database) Count(ctx context.Context, name string) (int64, error) {
	var answer struct {
		Count int64 `json:"count"`
	}
	err := d.client.Do(ctx, http.MethodGet, d.prefix+"/_api/collection/"+url.PathEscape(name)+"/count", nil, &answer)
	return answer.Count, err
}

// Put stores one document under its _key, whether there was one or not.
func (d *Database) Put(ctx context.Context, collection string, doc any) error {
	return d.client.Do(ctx, http.MethodPost, d.prefix+"/_api/document/"+url.PathEscape(collection)+"?overwriteMode=replace&silent=true", doc, nil)
}

// ImportResult counts what an import did.
type ImportResult struct {
	Created int64    `json:"created"`
	Errors  int64    `json:"errors"`
	Empty   int64    `json:"empty"`
	Updated int64    `json:"updated"`
	Ignored int64    `json:"ignored"`
	Details []string `json:"details"`
}

// Import sends JSON lines. onDuplicate is error, update, replace or ignore.
func (d *Database) Import(ctx context.Context, collection, onDuplicate string, lines io.Reader) (ImportResult, error) {
	q := url.Values{"collection": {collection}, "type": {"documents"}, "details": {"true"}, "onDuplicate": {onDuplicate}}
	var res ImportResult
	err := d.client.Do(ctx, http.MethodPost, d.prefix+"/_api/import?"+q.Encode(), lines, &res)
	return res, err
}

// Documents reads a whole collection, batch by batch, in no promised order.
func (d *Database) Documents(ctx context.Context, collection string, each func(json.RawMessage) error) error {
	type page struct {
		ID      string            `json:"id"`
		Result  []json.RawMessage `json:"result"`
		HasMore bool              `json:"hasMore"`
	}
	var p page
	err := d.client.Do(ctx, http.MethodPut, d.prefix+"/_api/simple/all", map[string]any{"collection": collection, "batchSize": 1000}, &p)
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
		err = d.client.Do(ctx, http.MethodPut, d.prefix+"/_api/cursor/"+id, nil, &p)
	}
	return fmt.Errorf("reading collection %s: %w", collection, err)
}
