package agency

import (
	"context"

	"stasis/agency/api"
	"stasis/agency/founding"
	"stasis/agency/keys"
	"stasis/agency/member"
	"stasis/agency/origin"
	"stasis/agency/raftnode"
	"stasis/agency/tree"
	"stasis/internal/network"
)

// serve opens the HTTP interface.
func (a *Agent) serve(c Config, status *origin.Status, founder *founding.Founder) {
	maxBody, t := c.MaxBodyBytes, a.timing
	if bound := a.disk.MaxBody; bound > 0 {
		maxBody = min(maxBody, bound)
	}
	a.api = api.New(api.Options{
		Self: api.Self{ID: a.id, Advertise: a.advertise, Process: keys.ProcessOf(c.Name, c.PID, c.Dir)}, MaxBody: maxBody, Limits: c.HTTP, Running: a.life.running,
		Intervals: api.Intervals{Heartbeat: t.Heartbeat, Election: t.Election, Supervision: t.Supervision, Grace: t.Grace, OkThreshold: t.OkThreshold},
		Raft:      a.node.Raft, Tree: a.tree, Quota: a.quota, Settings: settings{a.node, a.tree}, Fence: a.fence, Origins: a.origins, Status: status,
		Founder: founder, Leader: a.leadership, Reader: a.reader, Proposer: a.proposer, Members: a.members, Leads: a.node.Leader, Logger: a.logger,
	})
	a.server = network.ServeListener(a.port.HTTP(), a.api, network.ServerOptions{
		Logger: a.logger.Named("http"), Advertise: a.advertise, Names: []string{c.Listen, c.Peers[a.id]}, Browsers: c.Browsers, Limits: c.HTTP,
		Class: api.ClassOf,
	})
	a.life.watcher.Go(func() {
		select {
		case err := <-a.server.Err():
			a.life.report(err)
		case <-a.node.Gone():
		}
	})
}

// founder is this agent's part in foundings.
func (a *Agent) founder(c Config) *founding.Founder {
	return &founding.Founder{
		Self: a.id, Peers: c.Peers, Bootstrap: c.Bootstrap, Origins: a.origins, Learner: a.learner,
		Known: func() (leader string, members []string) {
			leader, _ = a.node.Leader()
			for _, s := range member.Configuration(a.node.Raft).Servers {
				members = append(members, string(s.ID))
			}
			return leader, members
		},
	}
}

// settings are what the HTTP interface may change of a running agent.
type settings struct {
	node *raftnode.Node
	tree *tree.Replica
}

// Compact takes a snapshot now and shortens Raft's log.
func (s settings) Compact(ctx context.Context) error { return s.node.Compact(ctx) }

// SnapshotAfter sets how many entries make a snapshot due, and how many stay after one.
func (s settings) SnapshotAfter(entries uint64) error { return s.node.SnapshotAfter(entries) }

// Threshold is how many entries make a snapshot due.
func (s settings) Threshold() uint64 { return s.node.Threshold() }

// Keep sets how many changes of the tree poll can deliver.
func (s settings) Keep(changes int) { s.tree.Keep(changes) }

// Kept is how many changes of the tree poll can deliver.
func (s settings) Kept() int { return s.tree.Kept() }
