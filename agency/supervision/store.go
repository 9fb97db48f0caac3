package supervision

import (
	"context"

	"stasis/fsm"
)

// Store is what the supervision needs of the agent that leads. The goroutine in Run alone calls
// it.
type Store interface {
	// Root is the committed tree as this leader has applied it.
	Root() *fsm.Node
	// Transient is the transient tree (empty after every change of leader).
	Transient() *fsm.Node
	// WriteTransient applies a transaction to the transient tree.
	WriteTransient(ctx context.Context, tx fsm.Transaction) error
	// Propose replicates the transactions together and applies them in order. An index of 0
	// without an error means that a precondition of that transaction failed. An error means that
	// some were not applied, or that the outcome is unknown; the supervision looks again in its
	// next pass.
	Propose(ctx context.Context, txs []fsm.Transaction) (indices []uint64, err error)
}
