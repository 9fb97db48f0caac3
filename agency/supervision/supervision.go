package supervision

import (
	"context"
	"time"

	"github.com/hashicorp/go-hclog"

	"stasis/agency/keys"
	"stasis/agency/supervision/job"
	"stasis/event"
	"stasis/fsm"
)

// Operation is that of all events which the supervision emits.
const Operation = "supervision"

// Steps that the supervision takes.
const (
	HealthChanged  event.Name = "server health changed"
	LockExpired    event.Name = "agency lock expired"
	HolderOrphaned event.Name = "holder without agency lock removed"
	BuildAbandoned event.Name = "unfinished creation removed"
	ModeChanged    event.Name = "supervision mode changed"
	GraceChanged   event.Name = "grace period changed"
	ServerSpared   event.Name = "server maintenance changed"
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
	// Propose replicates the transactions together and applies them in order. An
	// index of 0 without an error: that one was not applied because a precondition
	// failed. An error: some were not applied, or it is unknown; the supervision looks
	// again in its next round.
	Propose(ctx context.Context, txs []fsm.Transaction) (indices []uint64, err error)
}

// Config says what to watch and how patiently.
type Config struct {
	Store  Store
	Logger hclog.Logger
	Steps  event.Sink // receives what the supervision does, if not nil
	Timing Timing
}

// Timing holds the intervals and thresholds. Zero fields take the defaults. Settle
// counts as no shorter than Grace: by its end every lease has ended that a server
// took from another leader's answer. OkThreshold counts as no longer than half of
// Grace, and Interval as no longer than a quarter, so that a short grace period is kept.
type Timing struct {
	Interval    time.Duration // between two rounds; 1 s
	OkThreshold time.Duration // age of a heartbeat up to which a server is GOOD; 5 s
	Grace       time.Duration // age of a heartbeat beyond which a server is FAILED; 10 s
	Settle      time.Duration // a server this leader never heard is not judged earlier; 55 s
	Ownerless   time.Duration // a lock without holder is taken away after so long; 10 min
	Jobs        job.Timeouts  // its Grace is that of the servers
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
	t.OkThreshold, t.Interval = min(t.OkThreshold, t.Grace/2), min(t.Interval, t.Grace/4)
	set(&t.Settle, 55*time.Second)
	set(&t.Ownerless, 10*time.Minute)
	return t
}

// supervisor is what one leader knows beside the tree: when it first saw what.
type supervisor struct {
	store   Store
	log     hclog.Logger
	steps   event.Sink
	timing  Timing
	grace   grace
	servers map[string]*server
	lock    lease
	jobs    *job.Memory
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
		timing: c.Timing.withDefaults(), servers: map[string]*server{}, jobs: job.NewMemory(),
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
// one interval, or less if a lease ends earlier or a job is pending.
func (s *supervisor) round(ctx context.Context) time.Duration {
	now := time.Now()
	root := s.store.Root()
	if initialised := root.At(keys.InitDone); !initialised.Exists() {
		return s.timing.Interval
	}
	if s.paused(ctx, root, now) {
		return s.timing.Interval
	}
	s.agree(ctx, root)
	s.judge(ctx)
	rest := s.watchLock(ctx, s.store.Root())
	s.removeAbandoned(ctx, s.store.Root())
	s.spare(ctx, s.store.Root(), time.Now())
	if s.work(ctx) {
		rest = min(rest, s.timing.Interval/5)
	}
	return min(s.timing.Interval, rest)
}

// maxPasses bounds how often a round looks for more to do. What is left is done in
// the next one.
const maxPasses = 50

// work does for the jobs whatever can be done now, and says whether one is pending.
func (s *supervisor) work(ctx context.Context) bool {
	timing := s.timing.Jobs
	timing.Grace = s.grace.period
	for range maxPasses {
		if s.changeAll(ctx, job.Next(s.store.Root(), s.jobs, time.Now(), timing)) == 0 {
			break
		}
	}
	return job.Busy(s.store.Root())
}
