package supervision

import (
	"context"
	"time"

	"github.com/hashicorp/go-hclog"

	"stasis/agency/keys"
	"stasis/agency/supervision/job"
	"stasis/event"
	"stasis/internal/wall"
)

// Config says what to watch and how patiently.
type Config struct {
	Store   Store
	Logger  hclog.Logger
	Steps   event.Sink // receives what the supervision does, if not nil
	Periods Periods
	Wall    wall.Clock // for what is written down as a time, and until when an operator wants a pause
}

// supervisor is one leader's supervision. Each of its parts looks after one subject, and
// remembers beside the tree only when it first saw what.
type supervisor struct {
	store    Store
	periods  Periods
	proposer *proposer
	grace    *gracePeriod
	detector *failureDetector
	lock     *lockWatch
	jobs     *job.Memory
}

// Run supervises until ctx ends, which the agent does when it stops leading. It returns nil then.
func Run(ctx context.Context, c Config) error {
	s := newSupervisor(c)
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-timer.C:
		}
		timer.Reset(s.pass(ctx))
	}
}

func newSupervisor(c Config) *supervisor {
	if c.Logger == nil {
		c.Logger = hclog.NewNullLogger()
	}
	periods := c.Periods.withDefaults()
	p := &proposer{store: c.Store, log: c.Logger, steps: c.Steps, wall: c.Wall}
	grace := &gracePeriod{store: c.Store, proposer: p, configured: periods.Grace}
	return &supervisor{
		store: c.Store, periods: periods, proposer: p, grace: grace,
		detector: newFailureDetector(c.Store, p, grace, periods),
		lock:     &lockWatch{proposer: p, periods: periods},
		jobs:     job.NewMemory(c.Wall),
	}
}

// pass looks at everything once and says how long to wait until the next pass: one interval, or
// less if a lock lease ends earlier or a job is pending. Each part reads the tree again, so that
// it sees what the parts before it have changed.
func (s *supervisor) pass(ctx context.Context) time.Duration {
	root := s.store.Root()
	if !root.At(keys.InitDone).Exists() {
		return s.periods.Interval
	}
	if paused(ctx, s.proposer, root, s.proposer.wall.Now()) {
		return s.periods.Interval
	}
	s.grace.agree(ctx, root)
	s.detector.judge(ctx)
	rest := s.lock.watch(ctx, s.store.Root())
	removeAbandoned(ctx, s.proposer, s.store.Root())
	maintainServers(ctx, s.proposer, s.store.Root(), s.proposer.wall.Now())
	if s.work(ctx) {
		rest = min(rest, s.periods.Interval/5)
	}
	return min(s.periods.Interval, rest)
}

// maxRepeats bounds how often a pass looks for more jobs to do. What is left is done in the next
// one.
const maxRepeats = 50

// work does for the jobs whatever can be done now, and says whether one is pending.
func (s *supervisor) work(ctx context.Context) bool {
	timeouts := s.periods.Jobs
	timeouts.Grace = s.grace.period
	for range maxRepeats {
		if s.proposer.changeAll(ctx, job.Next(s.store.Root(), s.jobs, time.Now(), timeouts)) == 0 {
			break
		}
	}
	return job.Busy(s.store.Root())
}
