package supervision

import (
	"context"

	"stasis/event"
	"stasis/fsm"
)

// operation is that of all events which the supervision emits.
const operation = "supervision"

// Steps that the supervision takes, beside those of package job.
const (
	healthChanged      event.Name = "server health changed"
	lockExpired        event.Name = "agency lock expired"
	holderOrphaned     event.Name = "holder without agency lock removed"
	creationRemoved    event.Name = "unfinished creation removed"
	modeChanged        event.Name = "supervision mode changed"
	graceChanged       event.Name = "grace period changed"
	maintenanceChanged event.Name = "server maintenance changed"
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
