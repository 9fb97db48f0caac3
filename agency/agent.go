package agency

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/raft"

	"stasis/agency/api"
	"stasis/agency/fence"
	"stasis/agency/leadership"
	"stasis/agency/learner"
	"stasis/agency/member"
	"stasis/agency/origin"
	"stasis/agency/port"
	"stasis/agency/proposer"
	"stasis/agency/quota"
	"stasis/agency/raftnode"
	"stasis/agency/readindex"
	"stasis/agency/store"
	"stasis/agency/tree"
	"stasis/internal/network"
)

// Agent is a running agent. Its methods may be called from any goroutine.
type Agent struct {
	id        string
	advertise string // host:port
	logger    hclog.Logger
	timing    Timing
	life      *life

	disk    *store.Store
	port    *port.Port
	tree    *tree.Replica
	quota   *quota.Quota
	fence   *fence.Fence
	learner *learner.Learner
	origins *origin.Origins
	node    *raftnode.Node

	leadership *leadership.Keeper
	proposer   *proposer.Proposer
	reader     *readindex.Reader
	members    *member.Members
	api        *api.API
	server     *network.Server
}

// ID is the agent's id.
func (a *Agent) ID() string { return a.id }

// Addr is the advertised "host:port".
func (a *Agent) Addr() string { return a.advertise }

// URL is the advertised "http://host:port".
func (a *Agent) URL() string { return "http://" + a.advertise }

// IsLeader tells whether this agent serves as leader now. It is a hint: only a read confirms it.
func (a *Agent) IsLeader() bool { return a.leadership.Leads() }

// Err delivers the error that stopped the agent by itself, if one does. Close is still to be
// called.
func (a *Agent) Err() <-chan error { return a.life.failed }

// Close hands leadership over if it can, then stops everything. ctx bounds the polite part:
// requests in flight may end, leadership may be handed over. With a ctx that has ended already,
// Close is as abrupt as it can be. When it returns, no goroutine of the agent runs and the
// directory is free.
func (a *Agent) Close(ctx context.Context) error {
	return a.life.closing.Do(context.WithoutCancel(ctx), func() error { return a.shutdown(ctx) })
}

func (a *Agent) shutdown(ctx context.Context) error {
	a.life.stop()
	a.life.joining.Wait()
	// What is in flight ends by itself: by its commit, or because a leader without a majority
	// steps down within its lease. When Raft stops, the outcome of what is in flight is unknown.
	a.awaitInFlight(2*a.timing.Heartbeat + 2*a.timing.Election)
	a.handOver(ctx)
	var errs []error
	a.api.Close()
	if err := a.server.Shutdown(ctx); err != nil {
		errs = append(errs, err)
	}
	errs = append(errs, a.node.Stop())
	a.life.watcher.Wait()
	a.leadership.Wait()
	a.life.workers.Wait()
	a.node.Waiter.Close()
	errs = append(errs, a.disk.Close())
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("stop agent %s: %w", a.id, err)
	}
	a.logger.Info("agent stopped")
	return nil
}

// awaitInFlight waits at most d for what waits for an answer of Raft: the proposer, and a
// leadership that is about to serve.
func (a *Agent) awaitInFlight(d time.Duration) {
	ended := make(chan struct{})
	a.life.watcher.Go(func() {
		a.life.workers.Wait()
		a.leadership.Rest()
		close(ended)
	})
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ended:
	case <-timer.C:
	}
}

// handOver gives leadership to another agent, if this one has it and ctx allows.
func (a *Agent) handOver(ctx context.Context) {
	if _, others := a.members.Others(); ctx.Err() != nil || others == 0 || a.node.Raft.State() != raft.Leader {
		return
	}
	done := make(chan struct{})
	a.life.watcher.Go(func() {
		defer close(done)
		if err := a.node.Calls.LeadershipTransfer().Error(); err != nil {
			a.logger.Info("leadership not handed over", "reason", err)
		}
	})
	timer := time.NewTimer(2 * a.timing.Election)
	defer timer.Stop()
	select {
	case <-done:
	case <-timer.C:
	case <-ctx.Done():
	}
}

// fail stops the agent for good. Close waits for its end.
func (a *Agent) fail(err error) {
	a.life.report(err)
	a.life.stop()
	a.node.BeginStop()
}
