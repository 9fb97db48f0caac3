package survey

import (
	"context"
	"fmt"
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

// Health lists every server with what supervision last saw of it; agents are asked
// themselves.
func (s *Survey) Health(c *rest.Call) error {
	agents, latest := s.askAgency(c.R.Context())
	snap, all := s.Catalog.Cached(), rest.Fields{}
	for _, id := range servers(snap) {
		all[id] = serverHealth(snap, latest, id)
	}
	for id, agent := range agents {
		all[id] = agent.fields()
	}
	return c.OK(http.StatusOK, rest.Fields{"ClusterId": snap.Node(keys.Cluster).Text(), "Health": all})
}

// askAgency asks for what is not in the watch cache, for a short time.
func (s *Survey) askAgency(ctx context.Context) (agents map[string]agentState, latest *agencyclient.Node) {
	ctx, cancel := context.WithTimeout(ctx, agencyTimeout)
	defer cancel()
	var both sync.WaitGroup
	both.Go(func() { latest = s.latestHealth(ctx) })
	both.Go(func() { agents = s.agents(ctx) })
	both.Wait()
	return agents, latest
}

// latestHealth is what supervision noted in its last round, nil if that cannot be had.
func (s *Survey) latestHealth(ctx context.Context) *agencyclient.Node {
	root, err := s.Agency.TransientRead(ctx, keys.Health)
	if err != nil {
		s.Logger.Debug("health of the last round is not to be had", "error", err)
		return nil
	}
	return root.At(keys.Health)
}

// servers are the ids of all DB servers and coordinators that are planned or known
// to supervision, sorted.
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

// serverHealth is one entry: what supervision wrote, what is missing from the
// registration. A time that does not parse is left out.
func serverHealth(snap *catalog.Snapshot, latest *agencyclient.Node, id string) rest.Fields {
	var h keys.HealthEntry
	if latest.At(id).Decode(&h) != nil {
		if h, _ = snap.Health(id); h.Status == "" {
			h.Status = "BAD" // planned, and never seen by supervision
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
		"SyncTime": parsing(h.SyncTime), "LastAckedTime": parsing(h.LastAckedTime), "Disk": h.Disk,
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

// parsing is t if clients can parse it as a time.
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

// agentState is what is known of an agent.
type agentState struct {
	Endpoint  string
	Good      bool // it answers, and serves this cluster
	Leading   bool
	Leader    string // in its own eyes
	LastAcked float64
	Note      string // why it does not serve this cluster; "" if it does
	Alarm     string // what is wrong with the agency although it serves
}

// agents asks every agent for its view.
func (s *Survey) agents(ctx context.Context) map[string]agentState {
	config, err := s.Agency.Config(ctx)
	if err != nil {
		s.Logger.Debug("the agency's configuration is not to be had", "error", err)
		return nil
	}
	var mu sync.Mutex
	all := map[string]agentState{}
	var asking sync.WaitGroup
	for id, endpoint := range config.Configuration.Pool {
		asking.Go(func() {
			state := agentState{Endpoint: endpoint, LastAcked: config.LastAcked[id].LastAckedTime}
			if own, err := s.Agency.ConfigOf(ctx, httpURL(endpoint)); err == nil {
				state.Note = s.noteOf(own)
				state.Good, state.Leader = state.Note == "", own.LeaderID
				state.Leading = state.Good && own.LeaderID == id
				if state.Good {
					state.Alarm = own.Tree.Alarm
				}
			}
			mu.Lock()
			defer mu.Unlock()
			all[id] = state
		})
	}
	asking.Wait()
	return all
}

// noteOf says why an agent that answers does not serve this cluster.
func (s *Survey) noteOf(own agencyclient.Config) string {
	mine := s.Agency.Origin()
	if kin := mine.Sees(own.Origin); mine.Exists() && own.Origin.Exists() && kin != keys.Same && kin != keys.Newer {
		return fmt.Sprintf("it belongs to %s, and this cluster's is %s: nothing it says is believed", own.Origin, mine)
	}
	return own.Status
}

func httpURL(endpoint string) string {
	if rest, ok := strings.CutPrefix(endpoint, "tcp://"); ok {
		return "http://" + rest
	}
	return strings.Replace(endpoint, "ssl://", "https://", 1)
}

func (a agentState) fields() rest.Fields {
	status := "BAD"
	if a.Good {
		status = "GOOD"
	}
	fields := rest.Fields{
		"Role": "Agent", "Endpoint": a.Endpoint, "Status": status, "Engine": "rocksdb", "Version": version.API,
		"Leader": a.Leader, "Leading": a.Leading, "LastAckedTime": a.LastAcked, "CanBeDeleted": false,
	}
	if a.Note != "" {
		fields["Note"] = a.Note // ours
	}
	if a.Alarm != "" {
		fields["Alarm"] = a.Alarm // ours
	}
	return fields
}
