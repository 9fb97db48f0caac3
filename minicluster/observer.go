package minicluster

import (
	"context"
	"errors"
	"fmt"
	"net/http"
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
	lookLimit = 2 * time.Second // for one look at who is ready

	// removedLimit bounds the question which servers were removed: without an agency that answers,
	// it does not matter which are started.
	removedLimit = 20 * time.Second
)

// observer asks the servers of a cluster, over the network, how they are.
type observer struct {
	web    *http.Client
	agency *agencyclient.Client
}

func newObserver(host network.Network, agencyURLs []string) *observer {
	web := network.NewHTTPClient(host)
	return &observer{web: web, agency: agencyclient.New(agencyclient.Options{Endpoints: agencyURLs, HTTP: web, Logger: hclog.NewNullLogger()})} // what it waits for is in the error
}

func (o *observer) close() { o.web.CloseIdleConnections() }

// missing lists what is not ready, one entry per node and one for the agency. A
// node that is dead is an error: waiting for it is pointless.
func (o *observer) missing(ctx context.Context, nodes []*node) ([]string, error) {
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
	for _, f := range o.find(ctx, nodes) {
		if f != "" {
			missing = append(missing, f)
		}
	}
	return missing, nil
}

// find gives for each node why it is not ready, and behind them for the agency; "" if it is.
func (o *observer) find(ctx context.Context, nodes []*node) []string {
	ctx, cancel := context.WithTimeout(ctx, lookLimit)
	defer cancel()
	found := make([]string, len(nodes)+1)
	var wg sync.WaitGroup
	wg.Go(func() {
		if _, err := o.agency.Read(ctx, keys.InitDone); err != nil {
			found[len(nodes)] = "no agent leads: " + err.Error()
		}
	})
	for i, n := range nodes {
		wg.Go(func() {
			if err := o.at(ctx, n); err != nil {
				found[i] = n.name + ": " + err.Error()
			}
		})
	}
	wg.Wait()
	return found
}

// at is an error while a node is not ready.
func (o *observer) at(ctx context.Context, n *node) error {
	if n.role == datadir.Agent {
		config, err := o.agency.ConfigOf(ctx, "http://"+n.at.address)
		if err == nil && config.Status != "" {
			err = errors.New(config.Status)
		}
		return err
	}
	if err := o.get(ctx, n, "/_admin/server/availability"); err != nil {
		return err
	}
	registered := planned(n)
	health := keys.Health + "/" + n.serverID() + "/Status"
	root, err := o.agency.Read(ctx, registered, health)
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

// planned is the key at which Plan has a server.
func planned(n *node) string {
	if n.role == datadir.Coordinator {
		return keys.PlanCoordinators + "/" + n.serverID()
	}
	return keys.PlanDBServers + "/" + n.serverID()
}

func (o *observer) get(ctx context.Context, n *node, path string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+n.at.address+path, nil)
	if err != nil {
		return fmt.Errorf("look at %s: %w", n.name, err)
	}
	resp, err := o.web.Do(req)
	if err != nil {
		return err
	}
	return errors.Join(apierror.FromResponse(resp), resp.Body.Close())
}

// markRemoved asks the agency which of the servers that do not run were removed from the cluster
// (stasis cluster remove) and have not joined again since. To start them would
// undo that. If the agency does not answer, all count as members.
func (o *observer) markRemoved(ctx context.Context, nodes []*node) error {
	ctx, cancel := context.WithTimeout(ctx, removedLimit)
	defer cancel()
	root, err := o.agency.Read(ctx, keys.RemovedServers, keys.PlanDBServers, keys.PlanCoordinators)
	if err != nil {
		return err
	}
	for _, n := range nodes {
		if n.serverID() == "" || n.running() != nil {
			continue
		}
		if root.At(keys.RemovedServers+"/"+n.serverID()).Exists() && !root.At(planned(n)).Exists() {
			n.remove()
		}
	}
	return nil
}
