package status

import (
	"net/http"
	"time"

	"stasis/agency/keys"
	"stasis/client"
	"stasis/coordinator/catalog"
	"stasis/internal/rest"
	"stasis/internal/version"
)

// status answers with the cluster on one page, as this coordinator sees it.
func (a *API) status(c *rest.Call) error {
	agents, latest := a.askAgency(c.R.Context())
	snap := a.Catalog.Cached()
	plan, _ := snap.Node(keys.PlanVersion).Int()
	all := client.Status{
		ClusterID: snap.Node(keys.Cluster).Text(), Version: version.Stasis, PlanVersion: plan, Epoch: snap.Epoch, Agents: map[string]client.Agent{},
		DBServers: map[string]client.Server{}, Coordinators: map[string]client.Server{}, Authentication: client.AuthenticationOff,
	}
	for id, agent := range agents {
		all.Agents[id] = client.Agent{ServerName: agent.Process.Name, PID: agent.Process.PID, Dir: agent.Process.Dir, Endpoint: agent.Endpoint, Good: agent.Good, Leading: agent.Leading, Note: agent.Note, Alarm: agent.Alarm}
		if agent.Leading {
			all.Leader = id
		}
	}
	load := snap.Load()
	entry := func(id string) client.Server {
		h, known := serverHealth(snap, latest, id), snap.Known(id)
		registered, _ := snap.Registered(id)
		text := func(name string) string { value, _ := h[name].(string); return value }
		return client.Server{
			Name: text("ShortName"), ServerName: registered.Name, PID: registered.PID, Dir: registered.Dir, Endpoint: text("Endpoint"), Status: text("Status"), Disk: text("Disk"),
			RebootID: known.RebootID, Epoch: known.Epoch, Shards: load.Led[id], Replicas: load.Shards[id],
		}
	}
	for _, id := range snap.DBServers() {
		all.DBServers[id] = entry(id)
	}
	for _, id := range snap.Coordinators() {
		all.Coordinators[id] = entry(id)
	}
	all.Lock = lockOf(snap, a.Wall.Now())
	all.Shards = countShards(snap)
	return c.Answer(http.StatusOK, all)
}

// lockOf returns the holder of the agency lock, nil if the lock is free.
func lockOf(snap *catalog.Snapshot, now time.Time) *client.Lock {
	h, held := snap.LockHolder()
	if !held {
		return nil
	}
	lock := &client.Lock{
		ID: h.ID, Operation: h.Operation, Coordinator: h.Coordinator, Since: h.Since, Phase: h.Phase, PlanFrozen: snap.Frozen(),
	}
	if since, err := time.Parse(time.RFC3339, h.Since); err == nil { // a holder of another version may leave none
		lock.HeldSeconds = max(now.Sub(since), 0).Seconds()
	}
	return lock
}

func countShards(snap *catalog.Snapshot) client.ShardCounts {
	var n client.ShardCounts
	for _, db := range snap.Databases() {
		for _, coll := range snap.Collections(db) {
			for _, name := range coll.ShardNames {
				s := shardOf(snap, coll, name)
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
