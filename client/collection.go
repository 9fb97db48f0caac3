package client

import (
	"context"
	"errors"
	"net/http"
	"net/url"
)

// Layout says how a collection is cut into shards, and on how many servers each is. Zero
// fields are left to the server.
type Layout struct {
	Shards            int `json:"numberOfShards,omitempty"`
	ReplicationFactor int `json:"replicationFactor,omitempty"`
	WriteConcern      int `json:"writeConcern,omitempty"`
}

// Collection is a collection as a database lists it.
type Collection struct {
	ID     string `json:"id"`
	Name   string `json:"name"`
	System bool   `json:"isSystem"`
}

func (d *Database) collection(name, rest string) string {
	return d.path("/_api/collection/" + url.PathEscape(name) + rest)
}

// Collections lists the collections, those of the system excepted.
func (d *Database) Collections(ctx context.Context) ([]Collection, error) {
	var answer result[[]Collection]
	err := d.client.ask(ctx, http.MethodGet, d.path("/_api/collection?excludeSystem=true"), nil, &answer)
	return answer.Result, err
}

// CreateCollection creates a document collection. [ErrExists]: there is one of this name.
func (d *Database) CreateCollection(ctx context.Context, name string, shards int) error {
	return d.CreateCollectionAs(ctx, name, Layout{Shards: shards})
}

// CreateCollectionAs creates a document collection with a layout.
func (d *Database) CreateCollectionAs(ctx context.Context, name string, l Layout) error {
	body := struct {
		Name string `json:"name"`
		Layout
	}{name, l}
	return d.client.Do(ctx, http.MethodPost, d.path("/_api/collection"), body, nil)
}

// EnsureCollection creates a document collection unless it exists. One that exists keeps its
// layout.
func (d *Database) EnsureCollection(ctx context.Context, name string, l Layout) error {
	if err := d.CreateCollectionAs(ctx, name, l); err != nil && !errors.Is(err, ErrExists) {
		return err
	}
	return nil
}

// DropCollection removes a collection.
func (d *Database) DropCollection(ctx context.Context, name string) error {
	return d.client.Do(ctx, http.MethodDelete, d.collection(name, ""), nil, nil)
}

// Truncate removes all documents of a collection.
func (d *Database) Truncate(ctx context.Context, name string) error {
	return d.do(ctx, request{method: http.MethodPut, path: d.collection(name, "/truncate")}, nil)
}

// Count is the number of documents in a collection.
func (d *Database) Count(ctx context.Context, name string) (int64, error) {
	var answer struct {
		Count int64 `json:"count"`
	}
	err := d.do(ctx, request{method: http.MethodGet, path: d.collection(name, "/count")}, &answer)
	return answer.Count, err
}
