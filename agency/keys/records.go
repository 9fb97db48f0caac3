package keys

import (
	"slices"
	"strings"
)

// Database is the value of Plan/Databases/<name>.
type Database struct {
	ID                  string `json:"id"`
	Name                string `json:"name"`
	IsSystem            bool   `json:"isSystem,omitempty"`
	Sharding            string `json:"sharding"`
	ReplicationFactor   int    `json:"replicationFactor"`
	WriteConcern        int    `json:"writeConcern"`
	IsBuilding          bool   `json:"isBuilding,omitempty"`
	Coordinator         string `json:"coordinator,omitempty"`
	CoordinatorRebootID uint64 `json:"coordinatorRebootId,omitempty"`
}

// Collection is the value of Plan/Collections/<db>/<cid>.
type Collection struct {
	ID                   string              `json:"id"`
	Name                 string              `json:"name"`
	Type                 int                 `json:"type"` // 2 documents, 3 edges
	IsSystem             bool                `json:"isSystem"`
	NumberOfShards       int                 `json:"numberOfShards"`
	ReplicationFactor    int                 `json:"replicationFactor"`
	WriteConcern         int                 `json:"writeConcern"`
	MinReplicationFactor int                 `json:"minReplicationFactor"`
	ShardKeys            []string            `json:"shardKeys"`
	ShardingStrategy     string              `json:"shardingStrategy"`
	WaitForSync          bool                `json:"waitForSync"`
	CacheEnabled         bool                `json:"cacheEnabled"`
	KeyOptions           KeyOptions          `json:"keyOptions"`
	Indexes              []Index             `json:"indexes"`
	Shards               map[string][]string `json:"shards"`     // shard → servers, leader first
	ShardTerms           map[string]uint64   `json:"shardTerms"` // shard → leadership term, raised whenever the leader changes
	IsBuilding           bool                `json:"isBuilding,omitempty"`
	Coordinator          string              `json:"coordinator,omitempty"`
	CoordinatorRebootID  uint64              `json:"coordinatorRebootId,omitempty"`
}

// KeyOptions says whether clients choose document keys.
type KeyOptions struct {
	Type          string `json:"type"` // "traditional"
	AllowUserKeys bool   `json:"allowUserKeys"`
}

// Index describes an index of a collection.
type Index struct {
	ID     string   `json:"id"`
	Type   string   `json:"type"`
	Name   string   `json:"name"`
	Fields []string `json:"fields"`
	Unique bool     `json:"unique"`
	Sparse bool     `json:"sparse"`
}

// CurrentShardReport is the value of Current/Collections/<db>/<cid>/<shard>.
type CurrentShardReport struct {
	Error              bool     `json:"error"`
	ErrorNum           int      `json:"errorNum"`
	ErrorMessage       string   `json:"errorMessage"`
	Indexes            []Index  `json:"indexes"`
	Servers            []string `json:"servers"` // in sync now, leader first; a leader that has resigned has "_" before its id
	FailoverCandidates []string `json:"failoverCandidates"`
	// Term is the leadership term in which the leader that reports began to serve.
	Term uint64 `json:"term"`
	// Reboots has the reboot id of each server in Servers for which it is known to be
	// in sync. A server that has restarted since may have lost the last, unsynced part
	// of its log: it counts as in sync only after the leader reports it again.
	Reboots map[string]uint64 `json:"reboots"`
	// Version rises with every report, so that no two are alike: one whose outcome was
	// unknown cannot be written late, over a report that followed it.
	Version uint64 `json:"version"`
	// Restored is in the report that a restore writes, until a leader reports: no
	// server serves the shard yet. Term is then lower than the planned one.
	Restored *RestoredShard `json:"restored,omitempty"`
}

// RestoredShard says what is known of a shard's replicas that a restore has put in place.
// Known: the servers of the report are those that were in sync at the cut, and the log of
// each ends at this position; their data is durable, whenever they were started. If it is
// not known who was in sync, the report names all planned servers, and none of them may
// lead before all have been heard.
type RestoredShard struct {
	BackupID string `json:"backupId"`
	Known    bool   `json:"known"`
	Term     uint64 `json:"term"`   // of the last record
	Reboot   uint64 `json:"reboot"` // of the leader that numbered it
	Seq      uint64 `json:"seq"`    // its number; 0: nothing has ever been written
}

// Trusts says whether a server that runs with this reboot id is sure to have every
// acknowledged record.
func (r CurrentShardReport) Trusts(server string, reboot uint64) bool {
	if r.Restored != nil {
		return r.Restored.Known && r.Names(server)
	}
	insync, known := r.Reboots[server]
	return known && insync == reboot && r.Names(server)
}

// Unsure says that a restore has written the report, and does not know of any server
// that it has every acknowledged record.
func (r CurrentShardReport) Unsure() bool { return r.Restored != nil && !r.Restored.Known }

// Names says whether a server is in the in-sync set, as leader, resigned leader or
// follower.
func (r CurrentShardReport) Names(server string) bool {
	return slices.ContainsFunc(r.Servers, func(s string) bool { return strings.TrimPrefix(s, Resigned) == server })
}

// CurrentDatabaseReport is the value of Current/Databases/<db>/<server>.
type CurrentDatabaseReport struct {
	ID           string `json:"id"`
	Name         string `json:"name"`
	Error        bool   `json:"error"`
	ErrorNum     int    `json:"errorNum"`
	ErrorMessage string `json:"errorMessage"`
}

// Registered is the value of Current/ServersRegistered/<id>.
type Registered struct {
	Endpoint           string `json:"endpoint"` // tcp://host:port
	AdvertisedEndpoint string `json:"advertisedEndpoint"`
	Process
	Host          string `json:"host"`
	Version       int    `json:"version"`
	VersionString string `json:"versionString"`
	Engine        string `json:"engine"`
	Timestamp     string `json:"timestamp"`
}

// Process is what people and their tools find a server by: its name, and on its machine its process and directory. All of it is
// ours, and none of it has to be there.
type Process struct {
	Name string `json:"name,omitempty"` // by which commands find the server
	PID  int    `json:"pid,omitempty"`
	Dir  string `json:"dir,omitempty"` // its data directory, from the root
}

// ProcessOf is what a server tells of itself. One that does not tell its process is in a simulation, and its directory is nowhere.
func ProcessOf(name string, pid int, dir string) Process {
	if pid == 0 {
		return Process{Name: name}
	}
	return Process{Name: name, PID: pid, Dir: dir}
}

// Known is the value of Current/ServersKnown/<id>. Epoch (DB servers only) is the restore epoch
// whose data the server has open. A DB server raises Leases whenever it takes a serving lease
// after a time without one; the supervision records a server as FAILED only on the value by
// which it was judged.
type Known struct {
	RebootID uint64 `json:"rebootId"`
	Epoch    uint64 `json:"epoch"`
	Leases   uint64 `json:"leases,omitempty"`
}

// Heartbeat is the value of Sync/ServerStates/<id> in the transient store.
type Heartbeat struct {
	Time   string `json:"time"`
	Status string `json:"status"` // STARTUP, SERVING or SHUTDOWN
	// Disk (DB servers) is there while the server's disk hangs. Such a heartbeat is no sign
	// of life: the server leads nothing.
	Disk *HungDisk `json:"disk,omitempty"`
}

// HungDisk is what a DB server says whose disk hangs. It has given its lease up, and leads no
// shard before it has raised Leases of ServersKnown/<id> above this number. So the server may be
// taken for FAILED as long as both numbers are those of ServersKnown; if they are not, the
// statement is older than a start or a lease.
type HungDisk struct {
	Hangs    string `json:"hangs"` // since when, and what, for people
	RebootID uint64 `json:"rebootId"`
	Leases   uint64 `json:"leases"`
}

// HealthEntry is the value of Supervision/Health/<id>.
type HealthEntry struct {
	ShortName          string `json:"ShortName"`
	Endpoint           string `json:"Endpoint"`
	AdvertisedEndpoint string `json:"AdvertisedEndpoint,omitempty"`
	Host               string `json:"Host"`
	SyncStatus         string `json:"SyncStatus"`
	Status             string `json:"Status"` // GOOD, BAD or FAILED
	Version            string `json:"Version"`
	Engine             string `json:"Engine"`
	Timestamp          string `json:"Timestamp"`
	SyncTime           string `json:"SyncTime,omitempty"`
	LastAckedTime      string `json:"LastAckedTime"`
	// Disk (DB servers) says since when the disk hangs, "" if it does not.
	Disk string `json:"Disk,omitempty"`
	// Known (FAILED DB servers) is ServersKnown/<id> as it was when the server was
	// judged. If it differs now, the server has been started or has taken another lease
	// since: then the record does not count until the server is judged again.
	Known *Known `json:"Known,omitempty"`
}

// Statuses of a [HealthEntry].
const (
	StatusGood   = "GOOD"
	StatusBad    = "BAD"
	StatusFailed = "FAILED"
)

// Values of [SupervisionMode].
const (
	ModeNormal      = "Normal"
	ModeMaintenance = "Maintenance"
)

// ServerMaintenance is the value of {Target,Current}/MaintenanceDBServers/<id>: a
// DB server whose failure has no consequences until a time (RFC 3339).
type ServerMaintenance struct {
	Mode  string `json:"Mode"` // "maintenance"
	Until string `json:"Until"`
}

// ShortID is the value of Target/MapUniqueToShortID/<id>.
type ShortID struct {
	TransactionID uint64 `json:"TransactionID"`
	ShortName     string `json:"ShortName"`
}

// Operations that may hold the agency lock.
const (
	OperationCreate  = "create"
	OperationRestore = "restore"
)

// Holder stands beside the agency lock and names its holder. The holder raises Beat at least three
// times in LeaseSeconds. The supervision takes the lock away when it has not seen Beat change for
// LeaseSeconds, counted on its own clock.
type Holder struct {
	ID           string  `json:"id"` // backup id
	Operation    string  `json:"operation"`
	Coordinator  string  `json:"coordinator"`
	RebootID     uint64  `json:"rebootId"`
	Nonce        string  `json:"nonce"`
	Since        string  `json:"since"`
	LeaseSeconds float64 `json:"leaseSeconds"`
	Beat         uint64  `json:"beat"`
	Phase        string  `json:"phase,omitempty"`  // what the holder was doing when it wrote last, for people
	Thawed       string  `json:"thawed,omitempty"` // the value of the lock once Plan is not frozen any more
}

// Commit is the value of Target/HotBackup/Committed/<id>. It is written in the transaction that releases
// the lock: the commit point of a backup. It stays until the backup is deleted. A server publishes a
// pending piece with this nonce, and removes any other pending piece whose nonce holds no lock.
type Commit struct {
	ID                      string   `json:"id"`
	Nonce                   string   `json:"nonce"`
	DateTime                string   `json:"datetime"`
	Servers                 []string `json:"servers"` // DB servers that hold a piece
	PotentiallyInconsistent bool     `json:"potentiallyInconsistent"`
	CertificateSHA256       string   `json:"certificateSha256"`
}

// SigningKey is the value of Target/HotBackup/SigningKeys/<key id>: the public half of a key with
// which the certificates of this cluster's backups are, or were, signed. The agency never has the
// private half.
type SigningKey struct {
	Public      string `json:"public"` // 64 hexadecimal digits
	Since       string `json:"since"`
	Coordinator string `json:"coordinator"` // that wrote it
}

// Deletion is the value of Target/HotBackup/Deleted/<server>/<id>: a tombstone. It is written in the
// transaction that removes the backup's Commit: the commit point of a deletion. It stays until the
// server, which may be down, has removed its piece.
type Deletion struct {
	Coordinator string `json:"coordinator"`
	Since       string `json:"since"`
}

// Restore is the value of Target/HotBackup/Restore. It is written in the
// transaction that sets the restored Plan and raises the epoch: the commit
// point of a restore.
type Restore struct {
	Epoch       uint64            `json:"epoch"`
	BackupID    string            `json:"backupId"`
	Nonce       string            `json:"nonce"`
	Previous    string            `json:"previous"` // id of the failsafe backup
	Servers     map[string]string `json:"servers"`  // DB server now → DB server whose piece it takes, "" for an empty engine
	Coordinator string            `json:"coordinator"`
	Since       string            `json:"since"`

	// Older are the failsafe backups of earlier restores. They are deleted, and taken from
	// here, when Previous is whole: when all Servers have set their engines aside.
	Older []string `json:"older,omitempty"`
}
