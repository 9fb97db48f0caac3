package supervision

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/hashicorp/go-hclog"

	"stasis/agency/client"
	"stasis/agency/keys"
	"stasis/fsm"
	"stasis/internal/step"
)

// Operation is that of all events which the supervision emits.
const Operation = "supervision"

// Steps that the supervision takes.
const (
	HealthChanged  step.Name = "server health changed"
	LockExpired    step.Name = "agency lock expired"
	HolderOrphaned step.Name = "holder without agency lock removed"
	BuildAbandoned step.Name = "unfinished creation removed"
)

// Store is what the supervision needs of the agent that leads. Only the goroutine
// in Run calls it.
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

func (t Timing) withDefaults() Timing {
	set := func(d *time.Duration, v time.Duration) {
		if *d == 0 {
			*d = v
		}
	}
	set(&t.Interval, time.Second)
	set(&t.OkThreshold, 5*time.Second)
	set(&t.Grace, 10*time.Second)
	set(&t.Settle, 55*time.Second)
	set(&t.Ownerless, 10*time.Minute)
	return t
}

// supervisor is what one leader knows beside the tree: when it first saw what.
type supervisor struct {
	store   Store
	log     hclog.Logger
	steps   step.Sink
	timing  Timing
	servers map[string]*server
	lock    lease
	failing bool // the last change could not be made, and that has been logged
}

// Run supervises until ctx ends, which the agent does when it stops leading. It
// returns nil then.
func Run(ctx context.Context, c Config) error {
	if c.Logger == nil {
		c.Logger = hclog.NewNullLogger()
	}
	s := &supervisor{
		store: c.Store, log: c.Logger, steps: c.Steps,
		timing: c.Timing.withDefaults(), servers: map[string]*server{},
	}
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-timer.C:
		}
		timer.Reset(s.round(ctx))
	}
}

// round looks at everything once and says how long to wait until the next round:
// one interval, or less if a lease ends earlier.
func (s *supervisor) round(ctx context.Context) time.Duration {
	now := time.Now()
	root := s.store.Root()
	if initialised := root.At(keys.InitDone); !initialised.Exists() {
		return s.timing.Interval
	}
	s.judge(ctx, root, now)
	rest := s.watchLock(ctx, root, now)
	s.removeAbandoned(ctx, s.store.Root())
	return min(s.timing.Interval, rest)
}

// change makes one change and says whether it was applied. One that was not is
// none of anybody's concern: the tree had moved on.
func (s *supervisor) change(ctx context.Context, tx client.Tx) bool {
	index, err := s.propose(ctx, tx)
	s.note(ctx, err)
	return err == nil && index != 0
}

// note logs when changes begin to fail, and when they work again.
func (s *supervisor) note(ctx context.Context, err error) {
	switch {
	case ctx.Err() != nil: // no longer leading: the next leader looks at it
	case err != nil && !s.failing:
		s.failing = true
		s.log.Warn("cannot change the agency", "error", err)
	case err == nil && s.failing:
		s.failing = false
		s.log.Info("can change the agency again")
	}
}

func (s *supervisor) propose(ctx context.Context, tx client.Tx) (uint64, error) {
	parsed, err := parse(tx)
	if err != nil {
		return 0, err
	}
	index, err := s.store.Propose(ctx, parsed)
	if errors.Is(err, fsm.ErrPrecondition) {
		return 0, nil
	}
	return index, err
}

// parse makes the state machine's form of a transaction.
func parse(tx client.Tx) (fsm.Transaction, error) {
	raw, err := tx.Encode(uuid.NewString())
	if err != nil {
		return fsm.Transaction{}, fmt.Errorf("encoding a transaction: %w", err)
	}
	return fsm.ParseTransaction(raw)
}

// emit tells what was done, to the log and to whoever listens.
func (s *supervisor) emit(ctx context.Context, e step.Event) {
	e.Operation = Operation
	s.log.Info(e.String(), "id", e.ID)
	s.steps.Emit(ctx, e)
}
