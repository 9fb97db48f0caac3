package transaction

import (
	"context"
	"sync"
	"time"

	dbclient "stasis/dbserver/client"
	"stasis/dbserver/store"
)

// New makes a Ledger without parts; Run has it look after them.
func New(c Config) *Ledger {
	c = c.withDefaults()
	l := &Ledger{
		Config: c, inherited: newInheritances(c.Gate),
		registry: &registry{limits: c.Limits, log: c.Logger, parts: map[dbclient.TxnID]*part{}, ended: newMemory(c.Limits.Ended, c.Timing.Remember)},
	}
	l.homes = homes{id: c.ID, cache: c.Cache, peers: c.Peers, patience: c.Timing.Call, own: l.Ask}
	return l
}

// Run looks after the parts until ctx ends.
func (l *Ledger) Run(ctx context.Context) error {
	doubts, duties := newDoubts(l), newDuties(l)
	var jobs sync.WaitGroup
	jobs.Go(func() { l.repeat(ctx, nil, func() { l.silent() }) })
	jobs.Go(func() { l.repeat(ctx, l.inherited.wake, func() { l.onData(ctx, doubts.look) }) })
	jobs.Go(func() { l.repeat(ctx, nil, func() { l.onData(ctx, duties.look) }) })
	jobs.Wait()
	return nil
}

// repeat does a job again and again, also when woken has a token.
func (l *Ledger) repeat(ctx context.Context, woken <-chan struct{}, job func()) {
	tick := time.NewTicker(l.Timing.Look)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-woken:
		case <-ctx.Done():
			return
		}
		job()
	}
}

// onData does a job on the open data; there is nothing to do while it is shut.
func (l *Ledger) onData(ctx context.Context, job func(context.Context, *store.Store)) {
	ctx, s, leave, err := l.Access.Enter(ctx)
	if err != nil {
		return
	}
	defer leave()
	job(ctx, s)
}

// Status is what the parts hold.
type Status struct {
	Open      int   // parts that are not bound
	Bound     int   // parts with a shard that is prepared, or about to be prepared or decided
	Prepared  int   // transactions on shards that this server leads, inherited ones among them; at the last look
	Inherited int   // of them
	Bytes     int64 // written by parts
}

// Status counts the parts.
func (l *Ledger) Status() Status {
	l.registry.mu.Lock()
	defer l.registry.mu.Unlock()
	s := Status{Prepared: int(l.doubtful.Load()), Inherited: l.inherited.count(), Bytes: l.registry.bytes}
	for _, p := range l.registry.parts {
		if p.bound() {
			s.Bound++
		} else {
			s.Open++
		}
	}
	return s
}
