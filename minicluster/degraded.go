package minicluster

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"stasis/internal/datadir"
)

// mayLack says whether the cluster may run without some of its servers.
func (c *Cluster) mayLack() bool { return c.options.Degraded && c.old }

// Alive says how many of how many agents run, and how many of all other servers.
func (c *Cluster) Alive() (agents, of, others int) {
	agents, of, others = countAlive(c.agents), len(c.agents), countAlive(c.dbservers)+countAlive(c.coordinators)
	return agents, of, others
}

func (n *node) alive() bool { return n.running() != nil && n.failure() == nil }

func countAlive(nodes []*node) (alive int) {
	for _, n := range nodes {
		if n.alive() {
			alive++
		}
	}
	return alive
}

// tooFew is an error if those of the nodes that run are too few for a cluster. It names all
// that do not, with what is wrong with each.
func (c *Cluster) tooFew(nodes []*node) error {
	return c.tooFewOf(nodes, (*node).alive)
}

func (c *Cluster) tooFewOf(nodes []*node, well func(*node) bool) error {
	var lack string
	for _, group := range []struct {
		role datadir.Role
		name string
	}{{datadir.Agent, "agents"}, {datadir.DBServer, "DB servers"}, {datadir.Coordinator, "coordinators"}} {
		all, good := 0, 0
		for _, n := range nodes {
			if n.role == group.role {
				all++
				if well(n) {
					good++
				}
			}
		}
		need := min(all, 1)
		if group.role == datadir.Agent && all > 0 {
			need = all/2 + 1
		}
		if good < need && lack == "" {
			lack = fmt.Sprintf("%d of %d %s run, %d are needed", good, all, group.name, need)
		}
	}
	if lack == "" {
		return nil
	}
	errs := []error{errors.New(lack)}
	for _, n := range nodes {
		if err := n.broken(); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", n.name, err))
		}
	}
	return fmt.Errorf("the cluster cannot start: %w", errors.Join(errs...))
}

// awaitMost waits until those that are not broken are ready, if they are enough.
func (c *Cluster) awaitMost(ctx context.Context) error {
	ctx, cancel := bounded(ctx)
	defer cancel()
	l := c.look()
	defer l.web.CloseIdleConnections()
	began, tick := time.Now(), time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		nodes := c.present(c.nodes())
		if err := c.tooFew(nodes); err != nil {
			return err
		}
		alive := slices.DeleteFunc(slices.Clone(nodes), func(n *node) bool { return !n.alive() })
		found := l.find(ctx, alive)
		missing := slices.DeleteFunc(slices.Clone(found), func(f string) bool { return f == "" })
		if len(missing) == 0 {
			return c.tooFew(nodes) // one may have ended meanwhile
		}
		select {
		case <-tick.C:
			continue
		case <-ctx.Done():
		}
		err := fmt.Errorf("the cluster is not ready after %.1f s: %s: %w", time.Since(began).Seconds(), strings.Join(missing, "; "), context.Cause(ctx))
		if !errors.Is(context.Cause(ctx), context.DeadlineExceeded) {
			return err
		}
		return c.withoutTheLate(nodes, alive, l.find(context.WithoutCancel(ctx), alive), err)
	}
}

// withoutTheLate is nil if a cluster is ready without those that are not in time. They are
// broken from then on, until they are started again.
func (c *Cluster) withoutTheLate(nodes, alive []*node, found []string, err error) error {
	if found[len(alive)] != "" {
		return err // no agent leads
	}
	for i, n := range alive {
		if found[i] != "" {
			n.lags(errors.New(strings.TrimPrefix(found[i], n.name+": ")))
		}
	}
	return c.tooFewOf(nodes, func(n *node) bool { return n.broken() == nil && n.alive() })
}

// lags notes that a node runs and is not ready.
func (n *node) lags(reason error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.late, n.fault = true, fmt.Errorf("it runs, and is not ready: %w", reason)
}

// serverID is the node's id, "" while its directory could not be read.
func (n *node) serverID() string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.id
}

// identify notes the id that a node's directory has.
func (n *node) identify(id string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.id = id
}
