package minicluster

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"

	agencyclient "stasis/agency/client"
	"stasis/agency/keys"
	"stasis/internal/apierror"
	"stasis/internal/datadir"
	"stasis/internal/network"
)

const (
	readyLimit = time.Minute           // when the context has no deadline
	lookEvery  = 50 * time.Millisecond // between two looks at who is ready
	lookLimit  = 2 * time.Second       // for one of them
)

// Ready waits until an agent leads and every DB server and every coordinator that was
// started serves, is registered, and is GOOD in the eyes of the supervision. When ctx ends first (after a minute if it has no
// deadline), or a server dies, the error says what is missing.
// A cluster that may lack servers is ready without those that are broken, and after
// the limit without those that are not ready yet.
func (c *Cluster) Ready(ctx context.Context) error {
	if c.mayLack() {
		return c.awaitMost(ctx)
	}
	return c.await(ctx, c.present(c.nodes()))
}

// await waits until these nodes are ready, and an agent leads.
func (c *Cluster) await(ctx context.Context, nodes []*node) error {
	ctx, cancel := bounded(ctx)
	defer cancel()
	l := c.look()
	defer l.web.CloseIdleConnections()
	began, tick := time.Now(), time.NewTicker(lookEvery)
	defer tick.Stop()
	var seen []string // by the last look that was not cut short
	for {
		missing, err := l.missing(ctx, nodes)
		if err != nil || len(missing) == 0 {
			return err
		}
		if ctx.Err() != nil && seen != nil {
			missing = seen
		}
		seen = missing
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("the cluster is not ready after %.1f s: %s: %w",
				time.Since(began).Seconds(), strings.Join(missing, "; "), context.Cause(ctx))
		}
	}
}

func bounded(ctx context.Context) (context.Context, context.CancelFunc) {
	if _, bounded := ctx.Deadline(); bounded {
		return ctx, func() {}
	}
	return context.WithTimeout(ctx, readyLimit)
}

// look is one observer of the cluster.
type look struct {
	web    *http.Client
	agency *agencyclient.Client
}

func (c *Cluster) look() look {
	web := network.NewHTTPClient(c.options.network("minicluster"))
	return look{web: web, agency: agencyclient.New(agencyclient.Options{Endpoints: c.agencyURLs(), HTTP: web, Logger: hclog.NewNullLogger()})} // what it waits for is in the error
}

// missing says what is not ready, one entry per node and one for the agency. A
// node that is dead is an error: waiting for it is pointless.
func (l look) missing(ctx context.Context, nodes []*node) ([]string, error) {
	for _, n := range nodes {
		if n.running() == nil {
			if err := n.broken(); err != nil { // it has ended, and was collected
				return nil, fmt.Errorf("%s %w", n.name, err)
			}
			return nil, fmt.Errorf("%s does not run", n.name)
		}
		if err := n.failure(); err != nil {
			return nil, fmt.Errorf("%s %w", n.name, err)
		}
	}
	var missing []string
	for _, f := range l.find(ctx, nodes) {
		if f != "" {
			missing = append(missing, f)
		}
	}
	return missing, nil
}

// find says of each node why it is not ready, and behind them of the agency; "" if it is.
func (l look) find(ctx context.Context, nodes []*node) []string {
	ctx, cancel := context.WithTimeout(ctx, lookLimit)
	defer cancel()
	found := make([]string, len(nodes)+1)
	var wg sync.WaitGroup
	wg.Go(func() {
		if _, err := l.agency.Read(ctx, keys.InitDone); err != nil {
			found[len(nodes)] = "no agent leads: " + err.Error()
		}
	})
	for i, n := range nodes {
		wg.Go(func() {
			if err := l.at(ctx, n); err != nil {
				found[i] = n.name + ": " + err.Error()
			}
		})
	}
	wg.Wait()
	return found
}

// at says why a node is not ready.
func (l look) at(ctx context.Context, n *node) error {
	if n.role == datadir.Agent {
		config, err := l.agency.ConfigOf(ctx, "http://"+n.address)
		if err == nil && config.Status != "" {
			err = errors.New(config.Status)
		}
		return err
	}
	if err := l.get(ctx, n, "/_admin/server/availability"); err != nil {
		return err
	}
	registered := keys.PlanDBServers + "/" + n.serverID()
	if n.role == datadir.Coordinator {
		registered = keys.PlanCoordinators + "/" + n.serverID()
	}
	health := keys.Health + "/" + n.serverID() + "/Status"
	root, err := l.agency.Read(ctx, registered, health)
	switch {
	case err != nil:
		return err
	case !root.At(registered).Exists():
		return errors.New("not registered")
	case root.At(health).Text() != "GOOD":
		return errors.New("the supervision has not found it GOOD yet")
	}
	return nil
}

func (l look) get(ctx context.Context, n *node, path string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+n.address+path, nil)
	if err != nil {
		return fmt.Errorf("look at %s: %w", n.name, err)
	}
	resp, err := l.web.Do(req)
	if err != nil {
		return err
	}
	return errors.Join(apierror.FromResponse(resp), resp.Body.Close())
}
