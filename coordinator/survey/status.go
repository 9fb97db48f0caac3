package survey

import (
	"net/http"
	"time"

	"stasis/agency/keys"
	"stasis/client"
	"stasis/coordinator/catalog"
	"stasis/internal/rest"
	"stasis/internal/version"
)

// Status is the cluster on one page, as this coordinator sees it.
func (s *Survey) Status(c *rest.Call) error {
	agents, latest := s.askAgency(c.R.Context())
	v := s.Catalog.View()
	plan, _ := v.Node(keys.PlanVersion).Int()
	all := client.Status{
		ClusterID: v.Node(keys.Cluster).Text(), Version: version.Stasis, PlanVersion: plan, Epoch: v.Epoch, Agents: map[string]client.Agent{},
		DBServers: map[string]client.Server{}, Coordinators: map[string]client.Server{}, Authentication: client.AuthenticationOff,
	}
	for id, agent := range agents {
		all.Agents[id] = client.Agent{Endpoint: agent.Endpoint, Good: agent.Good, Leading: agent.Leading, Note: agent.Note, Alarm: agent.Alarm}
		if agent.Leading {
			all.Leader = id
		}
	}
	load := v.Load()
	entry := func(id string) client.Server {
		h, known := serverHealth(v, latest, id), v.Known(id)
		text := func(name string) string { value, _ := h[name].(string); return value }
		return client.Server{Name: text("ShortName"), Endpoint: text("Endpoint"), Status: text("Status"), Disk: text("Disk"), RebootID: known.RebootID, Epoch: known.Epoch, Shards: load.Led[id], Replicas: load.Shards[id]}
	}
	for _, id := range v.DBServers() {
		all.DBServers[id] = entry(id)
	}
	for _, id := range v.Coordinators() {
		all.Coordinators[id] = entry(id)
	}
	all.Lock = lockOf(v, time.Now())
	all.Shards = countShards(v)
	return c.Answer(http.StatusOK, all)
}

// lockOf says who holds the agency lock, and what that means now; nil: it is free.
func lockOf(v *catalog.View, now time.Time) *client.Lock {
	h, held := v.LockHolder()
	if !held {
		return nil
	}
	lock := &client.Lock{
		ID: h.ID, Operation: h.Operation, Coordinator: h.Coordinator, Since: h.Since, Phase: h.Phase, PlanFrozen: v.Frozen(),
	}
	if since, err := time.Parse(time.RFC3339, h.Since); err == nil { // a holder of another make leaves none
		lock.HeldSeconds = max(now.Sub(since), 0).Seconds()
	}
	return lock
}

func countShards(v *catalog.View) client.ShardCounts {
	var n client.ShardCounts
	for _, db := range v.Databases() {
		for _, coll := range v.Collections(db) {
			for _, name := range coll.ShardNames {
				s := shardOf(v, coll, name)
				n.All++
				switch good := s.Replicated(); {
				case !s.Serving:
					n.Leaderless++
				case good < s.WriteConcern:
					n.ReadOnly++
				case good < s.ReplicationFactor:
					n.Lacking++
				}
			}
		}
	}
	return n
}
