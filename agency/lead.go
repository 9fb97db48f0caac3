package agency

import (
	"context"
	"sync"
	"time"

	"stasis/agency/leadership"
	"stasis/agency/member"
	"stasis/agency/observer"
	"stasis/agency/proposer"
	"stasis/agency/quota"
	"stasis/agency/readindex"
	"stasis/agency/store"
	"stasis/agency/supervision"
	"stasis/fsm"
	"stasis/internal/wait"
)

// lead puts the parts together that work with Raft: leadership, proposals, reads and members.
func (a *Agent) lead(c Config) {
	n, t := a.node, a.timing
	supervised := supervision.Periods{Interval: t.Supervision, OkThreshold: t.OkThreshold, Grace: t.Grace, LeaderGrace: t.LeaderGrace, Ownerless: t.Ownerless}
	a.leadership = leadership.New(a.life.running, n.Calls, leadership.Options{
		Duties: func(l *leadership.Leadership) {
			var telling sync.WaitGroup
			telling.Go(func() { a.tellObservers(l) })
			defer telling.Wait()
			for l.Lasts() {
				err := supervision.Run(l.Context(), supervision.Config{
					Store: supervisedTree{tree: a.tree, quota: a.quota, proposer: a.proposer, leadership: l}, Logger: a.logger.Named("supervision"), Steps: c.Steps, Periods: supervised, Wall: c.Wall,
				})
				if err != nil && l.Lasts() {
					a.logger.Error("supervision stopped, starting it again", "error", err)
					_ = wait.For(l.Context(), t.Supervision) // the loop sees an end
				}
			}
		},
		Reached: a.tree.Reached, ID: a.id, Steps: c.Steps, TransientBytes: a.quota.Transient(), Now: a.tree.Now, Pause: t.Heartbeat / 10, Logger: a.logger,
	})
	a.proposer = proposer.New(n.Calls, proposer.Options{
		Leader: a.leadership, Fence: a.fence, Limit: t.Write, Encoded: a.tree.Proposed, Now: a.tree.Now,
		Inquire: func(id string) uint64 { return a.tree.State().Inquire(id) },
		Roomy:   func(more int64) bool { return quota.Plus(more, a.tree.State().Weight()) <= a.quota.Clients() },
	})
	a.members = member.New(a.life.running, n.Raft, member.Options{
		Self: a.id, Leader: a.leadership, Acks: n.Acks, Book: n.Book(), Waiter: n.Waiter, Election: t.Election,
		Alarm: func() string { return a.quota.State(a.weight()).Alarm },
	})
	a.reader = readindex.New(a.life.running, n.Raft, readindex.Options{
		Leader: a.leadership, Acks: n.Acks, Fence: a.fence, Tree: a.tree.Watch, Others: a.members.Others, Limit: t.Read,
	})
}

// weight is how heavy the tree is.
func (a *Agent) weight() int64 { return a.tree.State().Weight() }

func (a *Agent) tellObservers(l *leadership.Leadership) {
	observer.Run(l, observer.Options{
		Network: a.port.Network(), Agents: a.members.Endpoints, Logger: a.logger,
		Tree: func() (*fsm.State, <-chan struct{}) {
			changed := a.tree.Followers.Changed() // before the state, so that no change is missed
			return a.tree.State(), changed
		},
		Write: func(ctx context.Context, tx fsm.Transaction, bytes int) error {
			_, err := a.proposer.Propose(ctx, proposer.Envelope{Transactions: a.quota.OfLeader([]fsm.Transaction{tx}), Bytes: bytes})
			return err
		},
	})
}

// watch begins a leadership whenever Raft makes this agent leader and ends it when Raft says that
// it leads no more. Raft waits for each notice to be taken, so none is missed; nothing here may
// block. It looks after the disk, too: who leads and who is fenced is decided in one place.
func (a *Agent) watch(notices <-chan bool) {
	looks := time.NewTicker(a.timing.DiskPatience / store.LooksPerPatience)
	defer looks.Stop()
	begin := func() {
		if a.life.running.Err() == nil && a.fence.Hang() == nil {
			a.leadership.Begin()
		}
	}
	for {
		select {
		case leads := <-notices:
			a.leadership.End()
			if leads {
				begin()
			}
		case <-looks.C:
			if a.lookAtDisk() {
				begin()
			}
		case err := <-a.life.fatal:
			a.fail(err)
		case err := <-a.disk.Dead:
			a.fail(err)
		case <-a.node.Gone():
			a.leadership.End()
			return
		}
	}
}
