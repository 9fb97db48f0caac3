package status

import (
	"context"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	agencyclient "stasis/agency/client"
	"stasis/agency/keys"
	"stasis/coordinator/catalog"
	"stasis/internal/rest"
	"stasis/internal/version"
)

// health answers with every server and what the supervision last saw of it. Agents are asked
// themselves.
func (a *API) health(c *rest.Call) error {
	agents, latest := a.askAgency(c.R.Context())
	snap, all := a.Catalog.Cached(), rest.Fields{}
	for _, id := range servers(snap) {
		all[id] = serverHealth(snap, latest, id)
	}
	for id, agent := range agents {
		all[id] = agent.fields()
	}
	return c.OK(http.StatusOK, rest.Fields{"ClusterId": snap.Node(keys.Cluster).Text(), "Health": all})
}

// askAgency asks for what the watch cache does not have, at most for agencyTimeout.
func (a *API) askAgency(ctx context.Context) (agents map[string]agentState, latest *agencyclient.Node) {
	ctx, cancel := context.WithTimeout(ctx, agencyTimeout)
	defer cancel()
	var both sync.WaitGroup
	both.Go(func() { latest = a.latestHealth(ctx) })
	both.Go(func() { agents = a.agents(ctx) })
	both.Wait()
	return agents, latest
}

// latestHealth returns what the supervision noted in its last pass, nil if the agency does not
// answer.
func (a *API) latestHealth(ctx context.Context) *agencyclient.Node {
	root, err := a.Agency.TransientRead(ctx, keys.Health)
	if err != nil {
		a.Logger.Debug("the agency does not answer what the supervision saw last", "error", err)
		return nil
	}
	return root.At(keys.Health)
}

// servers returns the ids of all DB servers and coordinators that are planned or that the
// supervision knows, sorted.
func servers(snap *catalog.Snapshot) []string {
	all := map[string]bool{}
	for _, id := range slices.Concat(snap.DBServers(), snap.Coordinators()) {
		all[id] = true
	}
	for id := range snap.Node(keys.Health).Children() {
		all[id] = true
	}
	return slices.Sorted(maps.Keys(all))
}

// serverHealth returns one entry: what the supervision wrote, and from the registration what it
// did not. A time that clients cannot parse is left out.
func serverHealth(snap *catalog.Snapshot, latest *agencyclient.Node, id string) rest.Fields {
	var h keys.HealthEntry
	if latest.At(id).Decode(&h) != nil {
		if h, _ = snap.Health(id); h.Status == "" {
			h.Status = "BAD" // planned, and the supervision has never seen it
		}
	}
	r, _ := snap.Registered(id)
	var short keys.ShortID
	_ = snap.Node(keys.ShortIDs + "/" + id).Decode(&short) // missing: no short name
	entry := rest.Fields{"Role": roleOf(id), "Status": h.Status, "CanBeDeleted": h.Status == "FAILED" && !inUse(snap, id)}
	for name, value := range map[string]string{
		"ShortName": first(h.ShortName, short.ShortName), "Endpoint": first(h.Endpoint, r.Endpoint),
		"AdvertisedEndpoint": first(h.AdvertisedEndpoint, r.AdvertisedEndpoint), "Host": first(h.Host, r.Host),
		"SyncStatus": first(h.SyncStatus, "UNKNOWN"), "Version": first(h.Version, r.VersionString, version.API),
		"Engine": first(h.Engine, r.Engine, "rocksdb"), "Timestamp": parsing(first(h.Timestamp, r.Timestamp)),
		"Name": r.Name, "SyncTime": parsing(h.SyncTime), "LastAckedTime": parsing(h.LastAckedTime), "Disk": h.Disk,
	} {
		if value != "" {
			entry[name] = value
		}
	}
	return entry
}

func first(values ...string) string {
	for _, v := range values {
		if v != "" {
			return v
		}
	}
	return ""
}

// parsing returns t if clients can parse it as a time, otherwise "".
func parsing(t string) string {
	if _, err := time.Parse(time.RFC3339, t); err != nil {
		return ""
	}
	return t
}

func roleOf(id string) string {
	if strings.HasPrefix(id, "CRDN-") {
		return "Coordinator"
	}
	return "DBServer"
}

// inUse says whether a DB server has a shard in Plan.
func inUse(snap *catalog.Snapshot, id string) bool {
	for _, db := range snap.Databases() {
		for _, coll := range snap.Collections(db) {
			for _, servers := range coll.Shards {
				if slices.ContainsFunc(servers, func(s string) bool { return strings.TrimPrefix(s, "_") == id }) {
					return true
				}
			}
		}
	}
	return false
}
