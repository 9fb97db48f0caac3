package client

import (
	"context"
	"net/http"
)

// PathStatus answers GET with a Status.
const PathStatus = "/_stasis/status"

// AuthenticationOff is the Authentication of a cluster that checks no credentials. All of
// this version are of that kind.
const AuthenticationOff = "off"

// Status returns the state of the cluster.
func (c *Client) Status(ctx context.Context) (Status, error) {
	var s Status
	err := c.ask(ctx, http.MethodGet, PathStatus, nil, &s)
	return s, err
}

// Status is the cluster on one page, as one coordinator sees it.
type Status struct {
	ClusterID    string            `json:"clusterId"`
	Version      string            `json:"version"` // of the program
	PlanVersion  int64             `json:"planVersion"`
	Epoch        uint64            `json:"epoch"` // restore epoch of the cluster
	Leader       string            `json:"agencyLeader"`
	Agents       map[string]Agent  `json:"agents"`
	DBServers    map[string]Server `json:"dbservers"`
	Coordinators map[string]Server `json:"coordinators"`
	Lock         *Lock             `json:"lock"` // nil: the agency lock is free
	Shards       ShardCounts       `json:"shards"`

	Authentication string `json:"authentication"` // AuthenticationOff; "" from an earlier version, which has none either
}

// ShardCounts says how many shards there are, and how many of them are in which trouble.
type ShardCounts struct {
	All        int `json:"all"`
	Leaderless int `json:"leaderless"` // without a leader that serves
	ReadOnly   int `json:"readOnly"`   // fewer replicas in sync than the write concern asks for
	Lacking    int `json:"lacking"`    // fewer replicas in sync than the replication factor says
}

// Agent is one agent in a Status.
type Agent struct {
	ServerName string `json:"serverName,omitempty"` // agent-1: as its --name says
	PID        int    `json:"pid,omitempty"`        // of its process; 0: it does not say, or does not answer
	Dir        string `json:"dir,omitempty"`        // its data directory

	Endpoint string `json:"endpoint"`
	Good     bool   `json:"good"` // it answers, and serves this cluster
	Leading  bool   `json:"leading"`
	Note     string `json:"note,omitempty"`  // why it does not serve this cluster
	Alarm    string `json:"alarm,omitempty"` // what is wrong with the agency although it serves
}

// Server is a DB server or coordinator in a Status.
type Server struct {
	Name     string `json:"name,omitempty"` // the short one: DBServer0001
	Endpoint string `json:"endpoint"`

	ServerName string `json:"serverName,omitempty"` // dbserver-1: as its --name says
	PID        int    `json:"pid,omitempty"`        // of the process that started last; 0: it does not say
	Dir        string `json:"dir,omitempty"`        // its data directory

	Status   string `json:"status"`         // GOOD, BAD or FAILED
	Disk     string `json:"disk,omitempty"` // DB servers: since when the disk hangs; "" if it does not
	RebootID uint64 `json:"rebootId"`
	Epoch    uint64 `json:"epoch,omitempty"`    // DB servers: of the data they have open
	Shards   int    `json:"shards,omitempty"`   // DB servers: how many they lead
	Replicas int    `json:"replicas,omitempty"` // DB servers: how many shards they have, those that they lead included
}

// Lock says who holds the agency lock.
type Lock struct {
	ID          string `json:"id"`
	Operation   string `json:"operation"`
	Coordinator string `json:"coordinator"`
	Since       string `json:"since"`

	HeldSeconds float64 `json:"heldSeconds"`     // since then, by the clocks of the holder and of the coordinator that answers
	Phase       string  `json:"phase,omitempty"` // what the holder was doing when it renewed the lock last
	PlanFrozen  bool    `json:"planFrozen"`      // false: the backup is past its cut, and only keeps others out
}

// Version is the version of ArangoDB's API that the coordinator serves.
func (c *Client) Version(ctx context.Context) (string, error) {
	var v struct {
		Version string `json:"version"`
	}
	err := c.ask(ctx, http.MethodGet, "/_api/version", nil, &v)
	return v.Version, err
}

// Available returns nil if the coordinator serves.
func (c *Client) Available(ctx context.Context) error {
	return c.ask(ctx, http.MethodGet, "/_admin/server/availability", nil, nil)
}
