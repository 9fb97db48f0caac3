package agency

import (
	"context"
	"fmt"

	"stasis/agency/leadership"
	"stasis/agency/proposer"
	"stasis/agency/quota"
	"stasis/agency/tree"
	"stasis/fsm"
)

// supervisedTree is what the supervision sees of the agent that leads.
type supervisedTree struct {
	tree       *tree.Replica
	quota      *quota.Quota
	proposer   *proposer.Proposer
	leadership *leadership.Leadership
}

// Root is the committed tree as this leader has applied it.
func (s supervisedTree) Root() *fsm.Node {
	return s.tree.Present(s.tree.State()).Root()
}

// Transient is the transient tree.
func (s supervisedTree) Transient() *fsm.Node { return s.leadership.Transient.State().Root() }

// WriteTransient applies a transaction to the transient tree.
func (s supervisedTree) WriteTransient(_ context.Context, tx fsm.Transaction) error {
	if o := s.leadership.Transient.Apply(tx); o.Index == 0 {
		return fmt.Errorf("write to the transient tree: %w", reasonOf(o))
	}
	return nil
}

// Propose replicates the transactions as one entry and applies them in order.
func (s supervisedTree) Propose(ctx context.Context, txs []fsm.Transaction) ([]uint64, error) {
	r, err := s.proposer.Propose(ctx, proposer.Envelope{Transactions: s.quota.OfLeader(txs)})
	if err != nil {
		return nil, err
	}
	indices := make([]uint64, len(txs))
	for i, o := range r.Outcomes {
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
