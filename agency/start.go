package agency

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"

	"github.com/hashicorp/go-hclog"

	"stasis/agency/addressbook"
	"stasis/agency/fence"
	"stasis/agency/joining"
	"stasis/agency/learner"
	"stasis/agency/origin"
	"stasis/agency/port"
	"stasis/agency/quota"
	"stasis/agency/recovery"
	"stasis/agency/store"
	"stasis/agency/tree"
	"stasis/event"
)

// Start opens the data directory, joins the peers and serves. ctx bounds the start only. The agent
// runs until Close, or until it stops by itself (Err).
func Start(ctx context.Context, c Config) (*Agent, error) {
	c = c.withDefaults()
	if err := errors.Join(ctx.Err(), c.check()); err != nil {
		return nil, fmt.Errorf("start agent: %w", err)
	}
	logger := c.Logger.Named("agent")
	disk, err := store.Open(store.Config{ID: c.ID, Dir: c.Dir, FS: c.FS, LogStore: c.LogStore, Logger: logger})
	if err != nil {
		return nil, fmt.Errorf("start agent: %w", err)
	}
	logger = logger.With("id", disk.ID)
	c.Steps = event.From(disk.ID, c.Steps)
	listener, err := c.Network.Listen(c.Listen)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("start agent %s: %w", disk.ID, err), disk.Close())
	}
	a, err := newAgent(&c, disk, listener, logger)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("start agent %s: %w", disk.ID, err), listener.Close(), disk.Close())
	}
	status := &origin.Status{}
	guard := origin.NewGuard(a.origins, status, a.node.Voters, a.life.mustStop, logger)
	if err := a.startRaft(c, guard); err != nil {
		a.life.stop()
		return nil, errors.Join(fmt.Errorf("start agent %s: %w", disk.ID, err), a.port.Close(), disk.Close())
	}
	founder := a.founder(c)
	a.serve(c, status, founder)
	joiner := joining.New(a.node.Raft, joining.Options{
		Self: a.id, Advertise: a.advertise, Join: c.Join, Network: c.Network, Heartbeat: c.Timing.Heartbeat, Election: c.Timing.Election,
		Members: a.members, Learner: a.learner, Origins: a.origins, Guard: guard, Status: status, Founder: founder, Disk: disk,
		Leads: a.leadership.Leads, Logger: logger,
	})
	a.life.joining.Go(func() { joiner.Run(a.life.running) })
	logger.Info("agent started", "address", a.advertise, "peers", len(c.Peers))
	return a, nil
}

// newAgent puts the parts together that do not need Raft, and completes the configuration. Only
// the port runs yet.
func newAgent(c *Config, d *store.Store, l net.Listener, logger hclog.Logger) (*Agent, error) {
	pristine, err := d.Pristine()
	if err == nil {
		err = recovery.RefuseUnfinished(d.Notes)
	}
	if err != nil {
		return nil, err
	}
	origins, err := origin.Open(d.Notes, pristine)
	if err != nil {
		return nil, err
	}
	a := &Agent{id: d.ID, advertise: c.Advertise, logger: logger, timing: c.Timing, life: newLife(), disk: d, origins: origins}
	if a.advertise == "" {
		a.advertise = c.Peers[a.id]
	}
	if a.advertise == "" {
		a.advertise = l.Addr().String()
	}
	c.Peers = maps.Clone(c.Peers)
	if len(c.Peers) == 0 {
		c.Peers = map[string]string{a.id: a.advertise}
	}
	known := maps.Clone(c.Peers)
	known[a.id] = a.advertise
	a.port = port.New(c.Network, l)
	a.fence = fence.New()
	a.learner = learner.New(d.Notes, c.Timing.Heartbeat)
	book := addressbook.New(a.id, known)
	a.quota = quota.New(c.TreeQuota)
	compaction := tree.NewCompaction(tree.Limits{
		SnapshotBytes: c.Timing.SnapshotBytes, TrailingBytes: c.Timing.TrailingBytes, TrailingEntries: c.Timing.TrailingLogs,
	})
	a.tree = tree.New(tree.Config{
		KeepLog: c.Timing.KeepLog, Quota: a.quota, Compaction: compaction, Members: book.Learn, Wall: c.Wall,
		Halt: func(err error) { a.life.mustStop(d.Untrusted(err)) },
	})
	a.node = a.newNode(c.Timing, book, compaction)
	return a, nil
}
