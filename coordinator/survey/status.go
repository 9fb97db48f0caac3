package survey

import (
	"net/http"

	"stasis/agency/keys"
	"stasis/coordinator/rest"
	"stasis/internal/version"
)

// clusterStatus is the answer of /_stasis/status.
type clusterStatus struct {
	ClusterID    string                  `json:"clusterId"`
	Version      string                  `json:"version"`
	PlanVersion  int64                   `json:"planVersion"`
	Epoch        uint64                  `json:"epoch"` // restore epoch of the cluster
	Leader       string                  `json:"agencyLeader"`
	Agents       map[string]agentState   `json:"agents"`
	DBServers    map[string]serverStatus `json:"dbservers"`
	Coordinators map[string]serverStatus `json:"coordinators"`
	Lock         *lockStatus             `json:"lock"` // null: nobody holds the agency lock
}

type serverStatus struct {
	Name     string `json:"name,omitempty"`
	Endpoint string `json:"endpoint"`
	Status   string `json:"status"` // GOOD, BAD or FAILED
	RebootID uint64 `json:"rebootId"`
	Epoch    uint64 `json:"epoch,omitempty"` // DB servers: of the data they have open
	Shards   int    `json:"shards,omitempty"`
}

type lockStatus struct {
	ID          string `json:"id"`
	Operation   string `json:"operation"`
	Coordinator string `json:"coordinator"`
	Since       string `json:"since"`
}

// Status is the cluster on one page, as this coordinator sees it.
func (s *Survey) Status(c *rest.Call) error {
	agents, latest := s.askAgency(c.R.Context())
	v := s.Catalog.View()
	plan, _ := v.Node(keys.PlanVersion).Int()
	all := clusterStatus{
		ClusterID: v.Node(keys.Cluster).Text(), Version: version.Stasis, PlanVersion: plan, Epoch: v.Epoch, Agents: agents,
		DBServers: map[string]serverStatus{}, Coordinators: map[string]serverStatus{},
	}
	for id, agent := range agents {
		if agent.Leading {
			all.Leader = id
		}
	}
	shards := v.ShardsLed()
	entry := func(id string) serverStatus {
		h, known := serverHealth(v, latest, id), v.Known(id)
		text := func(name string) string { value, _ := h[name].(string); return value }
		return serverStatus{Name: text("ShortName"), Endpoint: text("Endpoint"), Status: text("Status"), RebootID: known.RebootID, Epoch: known.Epoch, Shards: shards[id]}
	}
	for _, id := range v.DBServers() {
		all.DBServers[id] = entry(id)
	}
	for _, id := range v.Coordinators() {
		all.Coordinators[id] = entry(id)
	}
	if h, held := v.LockHolder(); held {
		all.Lock = &lockStatus{ID: h.ID, Operation: h.Operation, Coordinator: h.Coordinator, Since: h.Since}
	}
	return c.Answer(http.StatusOK, all)
}
