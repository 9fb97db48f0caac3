// Package agencytest is an agency for tests: the state machine alone, without Raft, network and
// disk. Transactions, preconditions and the freeze of Plan are the real ones. A write applies at
// once, and every watcher sees it at once, unless a test says otherwise (OnWrite).
package agencytest

import (
	"context"
	"fmt"
	"sync"
	"time"

	agencyclient "stasis/agency/client"
	"stasis/fsm"
)

// Agency stands in for Client and Cache of agency/client. All methods may be called from many
// goroutines at once.
type Agency struct {
	mu      sync.Mutex
	machine *fsm.Machine
	changed chan struct{} // closed with the next transaction
	clients int
	ids     uint64
	onWrite func(context.Context, agencyclient.Tx) (uint64, error)
}

// New makes an empty agency. The ids that it gives out begin with 1001.
func New() *Agency {
	return &Agency{machine: fsm.New(1000), changed: make(chan struct{}), ids: 1000}
}

// OnWrite makes f answer Write from now on, as a bad network or a faster client would: f may call
// Apply at once, later, or not at all. nil ends that.
func (a *Agency) OnWrite(f func(context.Context, agencyclient.Tx) (uint64, error)) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.onWrite = f
}

// Write applies a transaction of the code under test.
func (a *Agency) Write(ctx context.Context, tx agencyclient.Tx) (uint64, error) {
	a.mu.Lock()
	f := a.onWrite
	a.mu.Unlock()
	if f != nil {
		return f(ctx, tx)
	}
	return a.Apply(tx)
}

// Apply applies a transaction, each call as another client. Errors:
// client.ErrPrecondition, client.ErrRejected.
func (a *Agency) Apply(tx agencyclient.Tx) (uint64, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.clients++
	parsed, err := parse(tx, fmt.Sprintf("client-%d", a.clients))
	if err != nil {
		return 0, fmt.Errorf("%w: %w", agencyclient.ErrRejected, err)
	}
	out := a.machine.Apply(1, fsm.Command{Time: time.Now().UnixMilli(), Transactions: []fsm.Transaction{parsed}})[0]
	if out.Index == 0 {
		return 0, fmt.Errorf("%w: %v %v", agencyclient.ErrPrecondition, out.Failed, out.Reason)
	}
	close(a.changed)
	a.changed = make(chan struct{})
	return out.Index, nil
}

// parse takes a transaction over the wire.
func parse(tx agencyclient.Tx, client string) (fsm.Transaction, error) {
	raw, err := tx.Encode(client)
	if err != nil {
		return fsm.Transaction{}, err
	}
	return fsm.ParseTransaction(raw)
}

// Snapshot is the tree now.
func (a *Agency) Snapshot() agencyclient.Snapshot {
	s := a.machine.State()
	return agencyclient.Snapshot{Index: s.Index(), Root: s.Root()}
}

// At is a part of the tree now.
func (a *Agency) At(key string) *agencyclient.Node { return a.Snapshot().Root.At(key) }

// Sync is Snapshot.
func (a *Agency) Sync(context.Context) (agencyclient.Snapshot, error) { return a.Snapshot(), nil }

// Wait gives the first snapshot from now on for which ok holds; the error is the
// context's.
func (a *Agency) Wait(ctx context.Context, ok func(agencyclient.Snapshot) bool) (agencyclient.Snapshot, error) {
	for {
		a.mu.Lock()
		s, changed := a.Snapshot(), a.changed
		a.mu.Unlock()
		if ok(s) {
			return s, nil
		}
		if err := until(ctx, changed); err != nil {
			return s, err
		}
	}
}

func until(ctx context.Context, c <-chan struct{}) error {
	select {
	case <-c:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// Reserve gives n ids in a row, each once.
func (a *Agency) Reserve(_ context.Context, n uint64) (first uint64, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	first = a.ids + 1
	a.ids += n
	return first, nil
}
