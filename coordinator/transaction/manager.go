package transaction

import (
	"cmp"
	"context"
	"slices"
	"sync"

	"stasis/coordinator/route"
	dbclient "stasis/dbserver/client"
)

// New makes a Manager. Run must be called, and Close at the end.
func New(o Options) *Manager {
	m := &Manager{o: o.withDefaults(), all: map[dbclient.TxnID]*Transaction{}, decisions: make(chan decision, forgetQueue)}
	m.ctx, m.cancel = context.WithCancel(context.Background())
	return m
}

// find returns a transaction of a database.
func (m *Manager) find(db string, id dbclient.TxnID) (*Transaction, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	t := m.all[id]
	switch {
	case t == nil:
		return nil, notFound(id, "this coordinator has not begun it since it started, or it has ended some time ago; what was not committed then is aborted")
	case t.spec.database != db:
		return nil, notFound(id, "it is not one of database "+db)
	}
	return t, nil
}

// Join returns the context of an operation that is part of a transaction. It ends when the transaction is aborted. leave must be
// called when the operation has ended. 1655: there is no such transaction; 1654: it is aborted; 1653: it is committed.
func (m *Manager) Join(ctx context.Context, db string, id dbclient.TxnID) (_ context.Context, leave func(), err error) {
	t, err := m.find(db, id)
	if err != nil {
		return nil, nil, err
	}
	if err := t.enter(); err != nil {
		return nil, nil, err
	}
	ctx, end := context.WithCancelCause(route.WithTransaction(ctx, t))
	stop := context.AfterFunc(t.alive, func() { end(context.Cause(t.alive)) })
	return ctx, func() {
		stop()
		end(nil)
		t.leave()
	}, nil
}

// Commit commits a transaction. nil: it is committed; also if it was before. If ctx ends, the commit goes on.
func (m *Manager) Commit(ctx context.Context, db string, id dbclient.TxnID) (Status, error) {
	t, err := m.find(db, id)
	if err == nil {
		err = t.commit(ctx)
	}
	if err != nil {
		return Status{}, err
	}
	return t.status(), nil
}

// Abort aborts a transaction. nil: it is aborted; also if it was before.
func (m *Manager) Abort(ctx context.Context, db string, id dbclient.TxnID) (Status, error) {
	t, err := m.find(db, id)
	if err == nil {
		err = t.abort(ctx, "its client has aborted it")
	}
	if err != nil {
		return Status{}, err
	}
	return t.status(), nil
}

// Status says what is known of a transaction.
func (m *Manager) Status(db string, id dbclient.TxnID) (Status, error) {
	t, err := m.find(db, id)
	if err != nil {
		return Status{}, err
	}
	return t.status(), nil
}

// Open returns the transactions of a database that have not ended, by their ids. "": of all.
func (m *Manager) Open(db string) []Status {
	var open []Status
	for _, t := range m.transactions() {
		if s := t.status(); (db == "" || db == t.spec.database) && s.State == running.String() {
			open = append(open, s)
		}
	}
	return open
}

// transactions are all, by their ids.
func (m *Manager) transactions() []*Transaction {
	m.mu.Lock()
	defer m.mu.Unlock()
	var all []*Transaction
	for _, t := range m.all {
		all = append(all, t)
	}
	slices.SortFunc(all, func(a, b *Transaction) int { return cmp.Compare(a.id, b.id) })
	return all
}

// AbortWrites aborts all transactions that may write, unless their decision has been asked for.
func (m *Manager) AbortWrites(ctx context.Context, why string) {
	var all sync.WaitGroup
	for _, t := range m.transactions() {
		if s := t.status(); s.State == running.String() && t.spec.writes() {
			all.Go(func() { _ = t.abort(ctx, why) }) // an error means that it has been committed meanwhile
		}
	}
	all.Wait()
}
