package client

// PathStatus answers GET with a Status.
const PathStatus = "/_stasis/status"

// PathSteps answers GET with step events, one JSON object a line: those kept, or
// with last=n the last n of them; with follow=true also every new one until the
// client goes.
const PathSteps = "/_stasis/steps"

// AuthenticationOff is the Authentication of a cluster that checks no credentials, as all
// of this version.
const AuthenticationOff = "off"

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
	Lock         *Lock             `json:"lock"` // null: nobody holds the agency lock
	Shards       ShardCounts       `json:"shards"`

	Authentication string `json:"authentication"` // AuthenticationOff; "" from an earlier version, which has none either
}

// ShardCounts says how the shards are, all in all.
type ShardCounts struct {
	All        int `json:"all"`
	Leaderless int `json:"leaderless"` // nobody serves them
	ReadOnly   int `json:"readOnly"`   // fewer replicas in sync than the write concern asks for
	Lacking    int `json:"lacking"`    // fewer replicas in sync than the replication factor says
}

// Agent is one agent in a Status.
type Agent struct {
	Endpoint string `json:"endpoint"`
	Good     bool   `json:"good"` // it answers, and serves this cluster
	Leading  bool   `json:"leading"`
	Note     string `json:"note,omitempty"`  // why it does not serve this cluster
	Alarm    string `json:"alarm,omitempty"` // what is wrong with the agency although it serves
}

// Server is a DB server or coordinator in a Status.
type Server struct {
	Name     string `json:"name,omitempty"`
	Endpoint string `json:"endpoint"`
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
