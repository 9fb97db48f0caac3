package workload

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"stasis/client"
	"stasis/lab/history"
)

// transaction is one that runs.
type transaction struct {
	s *session
	txn
	trx    *client.Transaction // nil: it could not be begun
	spread bool                // its requests go to all coordinators in turn
	asked  int
}

// at is the transaction at the coordinator that is asked next.
func (t *transaction) at() *client.Transaction {
	if !t.spread {
		return t.trx
	}
	t.asked++
	return t.trx.At(t.s.clients[t.asked%len(t.s.clients)])
}

// amend records what the transaction has done until now.
func (t *transaction) amend(recorded *history.Call) error {
	value, err := json.Marshal(t.txn)
	if err != nil {
		return err
	}
	return recorded.Amend(value)
}

// read reads a document; the zero document if there is none.
func (t *transaction) read(ctx context.Context, key string) (document, error) {
	collection, name := t.place(key)
	s := step{Do: reading, Key: key, From: t.s.h.Now()}
	d, err := fetch(ctx, t.at().Database(), collection, name)
	if err != nil {
		return d, err
	}
	s.Doc, s.To = d.raw, t.s.h.Now()
	t.Steps = append(t.Steps, s)
	return d, nil
}

// write writes what follows a version that the transaction has read. It does not tell the revision: that what was read is still there
// is the cluster's matter. All writes of a document make one version.
func (t *transaction) write(ctx context.Context, key string, seen document, element int, fields map[string]any) error {
	collection, name := t.place(key)
	s := step{Do: writing, Key: key, Element: element, Before: seen.ID}
	n := seen.N + 1
	for _, own := range t.Steps {
		if own.Do == writing && own.Key == key {
			n, s.Before = seen.N, own.Before
		}
	}
	whole := map[string]any{"_key": name, "n": n, "id": t.ID}
	for field, value := range fields {
		whole[field] = value
	}
	var err error
	if s.Doc, err = json.Marshal(whole); err != nil {
		return err
	}
	t.Steps = append(t.Steps, s)
	db := t.at().Database()
	if seen.N == 0 {
		_, err = db.Insert(ctx, collection, s.Doc)
	} else {
		_, err = db.Replace(ctx, client.Ref{Collection: collection, Key: name}, s.Doc)
	}
	return err
}

// change reads a document and writes what fields makes of it.
func (t *transaction) change(ctx context.Context, key string, element int, fields func(document) (map[string]any, error)) error {
	seen, err := t.read(ctx, key)
	if err != nil {
		return err
	}
	what, err := fields(seen)
	if err != nil {
		return err
	}
	return t.write(ctx, key, seen, element, what)
}

// place is the collection of a document, and its key there.
func (t *transaction) place(key string) (collection, name string) {
	number, name, _ := strings.Cut(key, "/")
	member := 1
	_, _ = fmt.Sscan(number, &member) // at has made it
	return memberName(t.s.collection, member), name
}
