package agency

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/hashicorp/raft"

	"stasis/agency/supervision"
	"stasis/fsm"
)

// office is one time of leadership of this node. Whatever may only be done as
// leader is done under its context, which ends when leadership does.
type office struct {
	term      uint64
	held      context.Context    // ends with the leadership or the agent
	leave     context.CancelFunc // ends held
	ready     chan struct{}      // closed when an entry of the own term is applied
	done      chan struct{}      // closed when nothing runs under it any more
	transient *transient
}

// transient is the tree that lives in the leader's memory only.
type transient struct {
	mu    sync.Mutex
	tree  *fsm.Machine
	limit int64 // of its weight
}

func newTransient(limit int64) *transient { return &transient{tree: fsm.New(1), limit: limit} }

// apply applies one transaction and says whether it took effect.
func (t *transient) apply(tx fsm.Transaction) fsm.Outcome {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.tree.Apply(0, fsm.Command{Time: time.Now().UnixMilli(), Transactions: []fsm.Transaction{tx.Within(t.limit)}})[0]
}

// state is the tree now, without what has expired.
func (t *transient) state() *fsm.State { return t.tree.State().AsOf(time.Now().UnixMilli()) }

// watchLeadership opens an office whenever Raft makes this node leader and closes
// it when it stops being that. Raft waits for each notice to be taken, so none is
// missed; nothing here may block. It looks after the disk, too: who leads and who is gagged
// is decided in one place.
func (a *Agent) watchLeadership(notices <-chan bool) {
	looks := time.NewTicker(a.timing.DiskPatience / looksPerPatience)
	defer looks.Stop()
	previous := closedChannel()
	open := func() {
		if a.running.Err() == nil && a.gag.state() == nil {
			o := a.newOffice()
			a.current.Store(o)
			after := previous
			a.officers.Go(func() { a.hold(o, after) })
			previous = o.done
		}
	}
	for {
		select {
		case leads := <-notices:
			a.endOffice()
			if leads {
				open()
			}
		case <-looks.C:
			if a.lookAtDisk() {
				open()
			}
		case err := <-a.fatal:
			a.fail(err)
		case err := <-a.disk.dead:
			a.fail(err)
		case <-a.raftGone:
			a.endOffice()
			return
		}
	}
}

// fail stops the agent for good. Its end is awaited by Close.
func (a *Agent) fail(err error) {
	a.report(err)
	a.stop()
	a.beginQuit()
}

// endOffice ends what this node does as leader, if it does.
func (a *Agent) endOffice() {
	if o := a.current.Swap(nil); o != nil {
		o.leave()
	}
}

func (a *Agent) newOffice() *office {
	o := &office{term: a.raft.CurrentTerm(), ready: make(chan struct{}), done: make(chan struct{}), transient: newTransient(a.machine.quota.transient())}
	o.held, o.leave = context.WithCancel(a.running)
	return o
}

func closedChannel() chan struct{} {
	c := make(chan struct{})
	close(c)
	return c
}

// hold does what a leader has to do, until its office ends: first a barrier, so
// that everything committed before is applied here; then the supervision and the
// callbacks. Two offices never overlap.
func (a *Agent) hold(o *office, previous <-chan struct{}) {
	defer close(o.done)
	defer o.leave()
	<-previous
	if err := a.barrier(o); err != nil {
		a.logger.Info("leadership ended before it could be used", "term", o.term, "reason", err)
		return
	}
	close(o.ready)
	a.logger.Info("serving as leader", "term", o.term)
	var telling sync.WaitGroup
	telling.Go(func() { a.tellObservers(o) })
	defer telling.Wait()
	for o.held.Err() == nil {
		if err := a.supervise(o); err != nil && o.held.Err() == nil {
			a.logger.Error("supervision stopped, starting it again", "error", err)
			pause(o.held.Done(), a.timing.Supervision)
		}
	}
}

// barrier waits until an entry of this term is applied.
func (a *Agent) barrier(o *office) error {
	for {
		future := a.raft.Barrier(0)
		err := future.Error()
		if err == nil {
			if f, ok := future.(raft.IndexFuture); ok {
				a.machine.reached(f.Index())
			}
			return o.held.Err()
		}
		if !errors.Is(err, raft.ErrLeadershipTransferInProgress) || o.held.Err() != nil {
			return err
		}
		pause(o.held.Done(), a.timing.Heartbeat/10)
	}
}

// office gives the present office as soon as it serves, or ErrNotLeader.
func (a *Agent) office(ctx context.Context) (*office, error) {
	if a.running.Err() != nil {
		return nil, ErrClosed
	}
	o := a.current.Load()
	if o == nil || a.raft.State() != raft.Leader {
		return nil, ErrNotLeader
	}
	select {
	case <-o.ready:
		return o, nil
	case <-o.held.Done():
		return nil, ErrNotLeader
	case <-ctx.Done():
		return nil, fmt.Errorf("%w: not yet serving: %w", ErrNotLeader, context.Cause(ctx))
	}
}

// supervise runs the supervision until the office ends.
func (a *Agent) supervise(o *office) error {
	return supervision.Run(o.held, supervision.Config{
		Store:  supervisedTree{agent: a, office: o},
		Logger: a.logger.Named("supervision"),
		Steps:  a.steps,
		Periods: supervision.Periods{
			Interval:    a.timing.Supervision,
			OkThreshold: a.timing.OkThreshold,
			Grace:       a.timing.Grace,
			LeaderGrace: a.timing.Settle,
			Ownerless:   a.timing.Ownerless,
		},
	})
}

// supervisedTree is what the supervision sees of the agent that leads.
type supervisedTree struct {
	agent  *Agent
	office *office
}

// Root is the committed tree as this leader has applied it.
func (s supervisedTree) Root() *fsm.Node {
	return s.agent.machine.state().AsOf(time.Now().UnixMilli()).Root()
}

// Transient is the transient tree.
func (s supervisedTree) Transient() *fsm.Node { return s.office.transient.state().Root() }

// WriteTransient applies a transaction to the transient tree.
func (s supervisedTree) WriteTransient(_ context.Context, tx fsm.Transaction) error {
	if o := s.office.transient.apply(tx); o.Index == 0 {
		return fmt.Errorf("write to the transient tree: %w", reasonOf(o))
	}
	return nil
}

// Propose replicates the transactions as one entry and applies them in order.
func (s supervisedTree) Propose(ctx context.Context, txs []fsm.Transaction) ([]uint64, error) {
	e, err := s.agent.propose(ctx, newProposal(s.agent.machine.quota.ofLeader(txs), 0))
	if err != nil {
		return nil, err
	}
	indices := make([]uint64, len(txs))
	for i, o := range e.outcomes {
		indices[i] = o.Index
		if o.Index == 0 && len(o.Failed) == 0 && err == nil {
			err = reasonOf(o)
		}
	}
	return indices, err
}

// reasonOf is why a transaction was not applied.
func reasonOf(o fsm.Outcome) error {
	if o.Reason != nil {
		return o.Reason
	}
	return fsm.ErrPrecondition
}
