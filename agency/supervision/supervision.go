// Package supervision watches over the cluster, on the agency's leader.
package supervision

import (
	"context"
	"time"

	"github.com/hashicorp/go-hclog"

	"stasis/fsm"
	"stasis/internal/step"
)

// Store is what the supervision needs of the agent that leads. Its methods may be
// called from one goroutine, the one in Run.
type Store interface {
	// Root is the committed tree as this leader has applied it.
	Root() *fsm.Node
	// Transient is the transient tree (empty after every change of leader).
	Transient() *fsm.Node
	// WriteTransient applies a transaction to the transient tree.
	WriteTransient(ctx context.Context, tx fsm.Transaction) error
	// Propose replicates and applies one transaction. Index 0 without an error: it
	// was not applied because a precondition failed. An error: not applied, or
	// unknown; the supervision looks again in its next round.
	Propose(ctx context.Context, tx fsm.Transaction) (index uint64, err error)
}

// Config says what to watch and how patiently.
type Config struct {
	Store  Store
	Logger hclog.Logger
	Steps  step.Sink // receives what the supervision does, if not nil
	Timing Timing
}

// Timing holds the intervals and thresholds. Zero fields take the defaults.
type Timing struct {
	Interval    time.Duration // between two rounds; 1 s
	OkThreshold time.Duration // age of a heartbeat up to which a server is GOOD; 5 s
	Grace       time.Duration // age of a heartbeat beyond which a server is FAILED; 10 s
	Settle      time.Duration // a server this leader never heard is not judged earlier; 55 s
	Ownerless   time.Duration // a lock without holder is taken away after so long; 10 min
}

// Run supervises until ctx ends, which the agent does when it stops leading. It
// returns nil then.
func Run(ctx context.Context, c Config) error {
	<-ctx.Done()
	return nil
}
