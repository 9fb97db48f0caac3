package transaction

import (
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"stasis/coordinator/route"
	dbclient "stasis/dbserver/client"
	"stasis/internal/apierror"
)

// Manager has the transactions that this coordinator has begun. Any goroutine may use it.
type Manager struct {
	o      Options
	ctx    context.Context // of what goes on without a client; ends in Close
	cancel context.CancelFunc
	group  sync.WaitGroup // endings

	decisions chan decision // that may be forgotten

	mu       sync.Mutex // not held during requests, nor with that of a transaction
	all      map[dbclient.TxnID]*Transaction
	finished []*Transaction // of all, those that have ended, in the order of their ends
	stopping bool           // none is begun any more
	ended    bool           // no ending begins any more
	tally    tally
}

// New makes a Manager. Run must be called, and Close at the end.
func New(o Options) *Manager {
	m := &Manager{o: o.withDefaults(), all: map[dbclient.TxnID]*Transaction{}, decisions: make(chan decision, forgetQueue)}
	m.ctx, m.cancel = context.WithCancel(context.Background())
	return m
}

// Begin begins a transaction. 1203: a collection does not exist.
func (m *Manager) Begin(ctx context.Context, s Spec) (Status, error) {
	snap, spec, err := m.check(ctx, s)
	if err != nil {
		return Status{}, err
	}
	number := numberOf(snap, m.o.ID)
	if number == 0 {
		return Status{}, apierror.New(apierror.StartingUp, "this coordinator has no number in the agency yet, which the id of a transaction begins with: try again")
	}
	t := &Transaction{m: m, spec: spec, epoch: snap.Epoch, began: time.Now(), used: time.Now(), sync: spec.waitForSync}
	t.alive, t.end = context.WithCancelCause(m.ctx)
	if err := m.add(t, number); err != nil {
		t.end(err)
		return Status{}, err
	}
	return t.status(), nil
}

// add gives a transaction its id and keeps it.
func (m *Manager) add(t *Transaction, number uint64) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.stopping {
		return apierror.New(apierror.ShuttingDown, "this coordinator is stopping: it begins no transaction")
	}
	if open := len(m.all) - len(m.finished); open >= m.o.Limits.Open {
		m.tally.refused++
		return apierror.New(apierror.ResourceLimit, "%d transactions are open at this coordinator, which are as many as it keeps: commit or abort some, and try again", open).WithStatus(503)
	}
	for t.id == 0 || m.all[t.id] != nil {
		t.id = newID(number)
	}
	t.held = newHoldings(t.id, t.spec.maxBytes)
	m.all[t.id] = t
	m.tally.begun++
	return nil
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
	slices.SortFunc(all, func(a, b *Transaction) int { return strings.Compare(a.id.String(), b.id.String()) })
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

// spawn does what ends a transaction. It returns false if the manager has ended.
func (m *Manager) spawn(do func(ctx context.Context)) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.ended {
		return false
	}
	m.group.Go(func() { do(m.ctx) })
	return true
}

// over keeps a transaction that has ended for some time.
func (m *Manager) over(t *Transaction) {
	t.mu.Lock()
	t.held.drop()
	t.used = time.Now()
	ending := t.state
	t.mu.Unlock()
	t.end(errAborted) // frees the context
	m.mu.Lock()
	defer m.mu.Unlock()
	m.tally.count(ending)
	m.finished = append(m.finished, t)
	if len(m.finished) > m.o.Limits.Finished {
		m.drop(1)
	}
}

// drop forgets the n that have ended first. The caller holds mu.
func (m *Manager) drop(n int) {
	for _, t := range m.finished[:n] {
		delete(m.all, t.id)
	}
	m.finished = slices.Delete(m.finished, 0, n)
}
