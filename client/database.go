package client

import (
	"context"
	"errors"
	"net/http"
	"net/url"
)

// systemDatabase always exists.
const systemDatabase = "_system"

// Database is one database seen through a client.
type Database struct {
	client      *Client
	name        string
	transaction string // that its documents are asked for in; "": each request by itself
}

// Database gives access to the database name; "" is _system. It sends nothing.
func (c *Client) Database(name string) *Database {
	if name == "" {
		name = systemDatabase
	}
	return &Database{client: c, name: name}
}

// Name is the database's name.
func (d *Database) Name() string { return d.name }

// path is a path of the API in this database.
func (d *Database) path(rest string) string { return "/_db/" + url.PathEscape(d.name) + rest }

// do asks for something about documents, in the transaction if there is one.
func (d *Database) do(ctx context.Context, r request, into any) error {
	r.transaction = d.transaction
	return d.client.do(ctx, r, into)
}

// Databases are the names of all databases.
func (c *Client) Databases(ctx context.Context) ([]string, error) {
	var answer result[[]string]
	err := c.ask(ctx, http.MethodGet, "/_api/database", nil, &answer)
	return answer.Result, err
}

// result is the envelope of many answers.
type result[T any] struct {
	Result T `json:"result"`
}

// CreateDatabase creates a database. [ErrExists]: there is one of this name.
func (c *Client) CreateDatabase(ctx context.Context, name string) error {
	body := struct {
		Name string `json:"name"`
	}{name}
	return c.Do(ctx, http.MethodPost, "/_api/database", body, nil)
}

// EnsureDatabase creates the database unless it exists, as _system always does.
func (c *Client) EnsureDatabase(ctx context.Context, name string) error {
	if name == systemDatabase {
		return nil
	}
	if err := c.CreateDatabase(ctx, name); err != nil && !errors.Is(err, ErrExists) {
		return err
	}
	return nil
}

// DropDatabase removes a database with everything in it.
func (c *Client) DropDatabase(ctx context.Context, name string) error {
	return c.Do(ctx, http.MethodDelete, "/_api/database/"+url.PathEscape(name), nil, nil)
}
