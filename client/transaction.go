package client

import (
	"context"
	"net/http"
	"net/url"
	"time"
)

// TransactionOptions say what a transaction may do. A collection that it changes is in Write or Exclusive, one that it only reads in
// Read. One in Exclusive is changed by no one else until the transaction has ended.
type TransactionOptions struct {
	Read, Write, Exclusive []string
	LockTimeout            time.Duration // of each wait for a lock, in whole milliseconds; 0: the server's default
	WaitForSync            bool          // its commit is acknowledged when it is on the disks
}

// Transaction is one that a coordinator has begun. It lives until it is committed or aborted, or nothing is asked of it for the
// server's limit. One request of it may run at a time.
type Transaction struct {
	db *Database
	id string
}

// Begin begins a transaction in this database. If the outcome is unknown, a transaction may have begun whose id is lost. It ends by itself.
func (d *Database) Begin(ctx context.Context, o TransactionOptions) (*Transaction, error) {
	type collections struct {
		Read      []string `json:"read,omitempty"`
		Write     []string `json:"write,omitempty"`
		Exclusive []string `json:"exclusive,omitempty"`
	}
	body := struct {
		Collections collections `json:"collections"`
		LockTimeout float64     `json:"lockTimeout,omitempty"` // seconds
		WaitForSync bool        `json:"waitForSync,omitempty"`
	}{collections{o.Read, o.Write, o.Exclusive}, o.LockTimeout.Round(time.Millisecond).Seconds(), o.WaitForSync}
	var answer result[struct {
		ID string `json:"id"`
	}]
	if err := d.client.Do(ctx, http.MethodPost, d.path("/_api/transaction/begin"), body, &answer); err != nil {
		return nil, err
	}
	return &Transaction{db: d, id: answer.Result.ID}, nil
}

// ID names the transaction at every coordinator.
func (t *Transaction) ID() string { return t.id }

// At is the same transaction, asked for at another coordinator.
func (t *Transaction) At(c *Client) *Transaction {
	return &Transaction{db: c.Database(t.db.name), id: t.id}
}

// Database is the database as the transaction sees it. What is changed in it is seen by others when the transaction is committed, and
// never if it is not. After an error of a change the transaction should be aborted: a change whose outcome is unknown takes effect
// at no other time.
func (t *Transaction) Database() *Database {
	return &Database{client: t.db.client, name: t.db.name, transaction: t.id}
}

// Commit makes all changes visible at one instant. It may be repeated, at any coordinator: if the outcome was unknown, that tells it.
// [ErrAborted]: nothing is done, and nothing will be; [ErrInvalid]: it was aborted before; [ErrNotFound]: this commit has done nothing,
// but one before it may have, as the coordinator that had begun the transaction has started again, or has forgotten it. A commit that a backup holds up for too
// long ([ErrUnavailable]) leaves the transaction as it is.
func (t *Transaction) Commit(ctx context.Context) error {
	return t.db.client.Do(ctx, http.MethodPut, t.path(), nil, nil)
}

// Abort ends the transaction without a change. It may be repeated.
func (t *Transaction) Abort(ctx context.Context) error {
	return t.db.client.Do(ctx, http.MethodDelete, t.path(), nil, nil)
}

// States of a transaction.
const (
	TransactionRunning   = "running"
	TransactionCommitted = "committed"
	TransactionAborted   = "aborted"
	TransactionUnknown   = "unknown" // its coordinator does not know yet
)

// State is what has become of the transaction. [ErrNotFound]: it has ended some minutes ago, or its coordinator has started again or
// has failed. Unless a commit was asked for before, it is aborted.
func (t *Transaction) State(ctx context.Context) (string, error) {
	var answer result[struct {
		Status string `json:"status"`
	}]
	err := t.db.client.ask(ctx, http.MethodGet, t.path(), nil, &answer)
	return answer.Result.Status, err
}

func (t *Transaction) path() string { return t.db.path("/_api/transaction/" + url.PathEscape(t.id)) }
