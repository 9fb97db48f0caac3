package agency

import (
	"errors"
	"fmt"

	"github.com/hashicorp/raft"

	"stasis/agency/addressbook"
	"stasis/agency/founding"
	"stasis/agency/learner"
	"stasis/agency/member"
	"stasis/agency/origin"
	"stasis/agency/raftnode"
	"stasis/agency/tree"
)

// newNode makes Raft's part, which is not started yet.
func (a *Agent) newNode(t Timing, book *addressbook.Book, compaction *tree.Compaction) *raftnode.Node {
	return raftnode.New(raftnode.Options{
		Self: a.id, Advertise: a.advertise, Store: a.disk, Port: a.port, Tree: a.tree, Compaction: compaction,
		Book: book, Fence: a.fence, Learner: a.learner, Origin: a.origins.Origin, Logger: a.logger,
		Settings: raftnode.Settings{
			Heartbeat: t.Heartbeat, Election: t.Election, Lease: t.Lease, Write: t.Write,
			SnapshotInterval: t.SnapshotInterval, SnapshotThreshold: t.SnapshotThreshold, TrailingLogs: t.TrailingLogs,
		},
		Expected: func(err error) bool { // the guard logs strangers once
			return errors.Is(err, origin.ErrStranger) || errors.Is(err, learner.ErrLearner)
		},
	})
}

// startRaft starts Raft, and what works with it.
func (a *Agent) startRaft(c Config, guard *origin.Guard) error {
	prepare := func(config *raft.Config, t raft.Transport) error { return a.begin(c, config, t) }
	if err := a.node.Start(a.life.running, guard, prepare); err != nil {
		return err
	}
	a.lead(c)
	a.life.watcher.Go(func() { a.watch(a.node.Notices()) })
	a.life.workers.Go(func() { a.proposer.Run(a.life.running) })
	a.life.workers.Go(a.reader.Run)
	a.life.workers.Go(func() { a.node.CompactWhenDue(a.life.running) })
	a.life.workers.Go(func() { a.quota.Report(a.life.running, a.weight, a.logger) })
	return nil
}

// begin founds an agency of one, finishes a founding that was decided, and makes a learner of an
// agent that starts with nothing among others.
func (a *Agent) begin(c Config, config *raft.Config, t raft.Transport) error {
	pristine, err := a.disk.Pristine()
	if err != nil {
		return err
	}
	mine := a.origins.Part()
	switch {
	case pristine && len(mine.Seeds) > 0: // died in the founding, which had been decided
		_, err := a.learner.Load() // another founder ends it
		return errors.Join(err, a.disk.Bootstrap(config, t, member.First(mine.Members)))
	case pristine && (len(c.Join) > 0 || len(c.Peers) > 1):
		// A leader that called it has given it nothing yet.
		if err := a.origins.Forget(); err != nil {
			return err
		}
		if err := a.learner.Begin(); err != nil {
			return fmt.Errorf("begin as a learner: %w", err)
		}
	case pristine:
		if err := a.origins.Become(founding.Alone(a.id, c.Peers)); err != nil {
			return err
		}
		return a.disk.Bootstrap(config, t, member.First(c.Peers))
	default:
		_, err := a.learner.Load()
		last, lerr := a.disk.Log.LastIndex()
		a.tree.MembersAfter(last)
		return errors.Join(err, lerr)
	}
	return nil
}
