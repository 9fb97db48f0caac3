package transaction

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	dbclient "stasis/dbserver/client"
	"stasis/internal/apierror"
)

// state is how far a transaction is.
type state int

const (
	running state = iota
	committing
	deciding // the decision is asked for: the home shard alone knows what becomes of it
	committed
	aborted
	unknown // it is not known yet, or never will be, what the home has decided
)

// Transaction is one transaction that this coordinator has begun.
type Transaction struct {
	m     *Manager
	id    dbclient.TxnID
	spec  declared
	epoch uint64 // restore epoch of the data that it is about
	began time.Time

	alive context.Context // of its operations; ends, with errAborted, when it is aborted
	end   context.CancelCauseFunc
	using sync.WaitGroup // its operations
	held  *holdings

	mu     sync.Mutex // not held during requests
	state  state
	why    string // it is aborted, or unknown
	users  int    // operations that go on
	used   time.Time
	sealed bool    // a commit has begun to end parts: only its repetition, or an abort, may follow
	sync   bool    // an operation wants the commit on disk
	ending *ending // the commit or the abort that goes on, or the last one
}

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

// decision may be forgotten: all its shards have it on disk.
type decision struct {
	id    dbclient.TxnID
	at    dbclient.TxnShard
	epoch uint64
}

// tally counts transactions since the start.
type tally struct {
	begun, refused, committed, aborted, expired, unknown uint64
}

func (c *tally) count(s state) {
	switch s {
	case committed:
		c.committed++
	case aborted:
		c.aborted++
	default:
		c.unknown++
	}
}

// Status is what a client is told of a transaction.
type Status struct {
	ID    dbclient.TxnID
	State string
	Why   string // it is aborted, or unknown
}

// ID names the transaction.
func (t *Transaction) ID() dbclient.TxnID { return t.id }

// LockWait is how long one request may wait for locks.
func (t *Transaction) LockWait() time.Duration { return t.spec.lockTimeout }

func (t *Transaction) status() Status {
	t.mu.Lock()
	defer t.mu.Unlock()
	return Status{ID: t.id, State: t.state.String(), Why: t.why}
}

// String is the state as clients are told.
func (s state) String() string {
	switch s {
	case committed:
		return "committed"
	case aborted:
		return "aborted"
	case unknown:
		return "unknown"
	}
	return "running"
}

// enter counts an operation. It returns an error if there can be none; leave must be called otherwise.
func (t *Transaction) enter() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.state != running || t.sealed {
		return t.closed("operation")
	}
	t.users++
	t.using.Add(1)
	return nil
}

func (t *Transaction) leave() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.users--
	t.used = time.Now()
	t.using.Done()
}

// closed is the error of a request that the state does not allow. The caller holds mu.
func (t *Transaction) closed(what string) error {
	switch {
	case t.state == aborted && what == "operation":
		return apierror.New(apierror.TransactionAborted, "transaction %s is aborted: %s", t.id, t.why)
	case t.state == aborted:
		return apierror.New(apierror.TransactionDisallowed, "%s not allowed: transaction %s is aborted: %s", what, t.id, t.why)
	case t.state == committed:
		return apierror.New(apierror.TransactionDisallowed, "%s not allowed: transaction %s is committed", what, t.id)
	case t.state == unknown:
		return t.doubt()
	case t.sealed && t.state == running:
		return apierror.New(apierror.TransactionDisallowed, "%s not allowed: the commit of transaction %s has begun, and waited at a backup's gate for too long: commit it again, or abort it", what, t.id)
	}
	return apierror.New(apierror.Locked, "%s not possible now: transaction %s is being committed", what, t.id)
}

// doubt is the error of who asks for an outcome that is not known. The caller holds mu.
func (t *Transaction) doubt() *apierror.Error {
	e := apierror.New(apierror.ConnectionLost, "the outcome of transaction %s is unknown: it may be committed or not: %s; ask for its status", t.id, t.why)
	e.Extra = map[string]any{apierror.Outcome: apierror.OutcomeUnknown}
	return e
}

// gone is the error of an operation whose transaction has ended meanwhile; err if it has not.
func (t *Transaction) gone(err error) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.state == running || t.state == committing {
		return err
	}
	return t.closed("operation")
}

// expired says whether nobody has used the transaction for a time.
func (t *Transaction) expired(now time.Time, idle time.Duration) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.state == running && t.users == 0 && now.Sub(t.used) >= idle
}

// settle sets the last state of a transaction, and drops what it is not needed for any more.
func (t *Transaction) settle(s state, why string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.state, t.why, t.used = s, why, time.Now()
}

// age is for messages.
func (t *Transaction) age() time.Duration { return time.Since(t.began) }

func (t *Transaction) String() string {
	return fmt.Sprintf("transaction %s (open for %v)", t.id, t.age().Round(time.Millisecond))
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
