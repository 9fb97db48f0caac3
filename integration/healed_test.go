package integration

import (
	"context"
	"fmt"
	"net/http"
	"time"

	agencyclient "stasis/agency/client"
	"stasis/agency/keys"
	dbclient "stasis/dbserver/client"
	"stasis/minicluster"
)

// observer looks into the agency and the DB servers of a cluster.
type observer struct {
	agency *agencyclient.Client
	dbs    *dbclient.Client
	urls   map[string]string // DB servers' ids → URLs
	names  map[string]string // DB servers' ids → names
}

func observe(c *minicluster.Cluster, web *http.Client) *observer {
	o := &observer{dbs: dbclient.New(web), urls: map[string]string{}, names: map[string]string{}}
	agents, dbservers, _ := c.Nodes()
	var endpoints []string
	for _, a := range agents {
		endpoints = append(endpoints, a.URL)
	}
	for _, s := range dbservers {
		o.urls[s.ID], o.names[s.ID] = s.URL, s.Name
	}
	o.agency = agencyclient.New(agencyclient.Options{Endpoints: endpoints, HTTP: web})
	return o
}

// replicated is a shard as Plan and Current have it.
type replicated struct {
	plan    []string
	term    uint64
	current keys.CurrentShardReport
}

// shards are those of all collections of _system.
func (o *observer) shards(ctx context.Context) (map[string]replicated, *agencyclient.Node, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	root, err := o.agency.Read(ctx, keys.Plan, keys.CurrentCollections, keys.CurrentServersKnown, keys.RestoreEpoch, keys.Supervision)
	if err != nil {
		return nil, nil, err
	}
	var planned map[string]keys.Collection
	if err := root.At(keys.PlanCollections + "/_system").Decode(&planned); err != nil {
		return nil, nil, err
	}
	all := map[string]replicated{}
	for cid, c := range planned {
		for s, servers := range c.Shards {
			r := replicated{plan: servers, term: c.ShardTerms[s]}
			_ = root.At(keys.CurrentShard("_system", cid, s)).Decode(&r.current) // missing: zero
			all[s] = r
		}
	}
	return all, root, nil
}

// leader is the name of the server that Plan gives the first shard, and its term.
func (o *observer) leader(ctx context.Context) (name string, term uint64, err error) {
	all, _, err := o.shards(ctx)
	if err != nil {
		return "", 0, err
	}
	for _, r := range all {
		if len(r.plan) > 1 {
			return o.names[r.plan[0]], r.term, nil
		}
	}
	return "", 0, fmt.Errorf("no replicated shard among %d", len(all))
}

// terms is the sum of the terms of all shards: it grows by one with each new leader.
func (o *observer) terms(ctx context.Context) (sum uint64, err error) {
	all, _, err := o.shards(ctx)
	for _, r := range all {
		sum += r.term
	}
	return sum, err
}

// healed says what is missing until every shard is led as Plan says, all its replicas
// are in sync, and identical.
func (o *observer) healed(ctx context.Context) error {
	all, root, err := o.shards(ctx)
	if err != nil {
		return err
	}
	for s, r := range all {
		if err := o.alike(ctx, s, r, root); err != nil {
			return err
		}
	}
	return nil
}

// served says which shard is not led as Plan says.
func (o *observer) served(ctx context.Context) error {
	all, _, err := o.shards(ctx)
	for s, r := range all {
		if len(r.current.Servers) == 0 || r.current.Servers[0] != r.plan[0] || r.current.Term != r.term {
			return fmt.Errorf("%s: planned %v in term %d, Current has %+v", s, r.plan, r.term, r.current)
		}
	}
	return err
}

// settled says what is missing until all replicas are in sync, whatever they hold.
func (o *observer) settled(ctx context.Context) error {
	all, root, err := o.shards(ctx)
	for s, r := range all {
		if err == nil {
			err = missing(s, r, root)
		}
	}
	return err
}

// missing says which replica is not in sync, or that the leader does not serve.
func missing(shard string, r replicated, root *agencyclient.Node) error {
	in := map[string]bool{}
	for _, id := range r.current.Servers {
		var k keys.Known
		if err := root.At(keys.ServerKnown(id)).Decode(&k); err != nil {
			return fmt.Errorf("%s: known %s: %w", shard, id, err)
		}
		in[id] = k.RebootID == r.current.Reboots[id]
	}
	for _, id := range r.plan {
		if !in[id] || r.current.Servers[0] != r.plan[0] || r.term != r.current.Term {
			return fmt.Errorf("%s: %s of %v, term %d, not in sync: Current has %+v", shard, id, r.plan, r.term, r.current)
		}
	}
	return nil
}

func (o *observer) alike(ctx context.Context, shard string, r replicated, root *agencyclient.Node) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	if err := missing(shard, r, root); err != nil {
		return err
	}
	epoch, _ := root.At(keys.RestoreEpoch).Int()
	var first dbclient.ChecksumResponse
	for i, id := range r.plan {
		sum, err := o.dbs.Checksum(ctx, dbclient.Target{URL: o.urls[id], Epoch: uint64(epoch)}, shard, dbclient.ChecksumRequest{Replica: true})
		if err != nil {
			return fmt.Errorf("%s at %s: %w", shard, id, err)
		}
		sum.Role, sum.Term = "", 0
		if i == 0 {
			first = sum
		}
		if sum != first {
			return fmt.Errorf("%s differs: %s has %+v, %s has %+v", shard, r.plan[0], first, id, sum)
		}
	}
	return nil
}
