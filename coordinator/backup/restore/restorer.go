package restore

import (
	"context"
	"time"

	"github.com/hashicorp/go-hclog"

	agencyclient "stasis/agency/client"
	"stasis/agency/keys"
	"stasis/client/certificate"
	"stasis/coordinator/backup/backupid"
	"stasis/coordinator/backup/lock"
	"stasis/coordinator/backup/operation"
	"stasis/coordinator/backup/piece"
	"stasis/coordinator/backup/topology"
	dbclient "stasis/dbserver/client"
	"stasis/event"
)

// Cache is the watch cache, in which a restore sees what the servers have done.
type Cache interface {
	Snapshot() agencyclient.Snapshot
	Wait(ctx context.Context, ok func(agencyclient.Snapshot) bool) (agencyclient.Snapshot, error)
}

// Servers sends requests to one DB server. No method repeats a request.
type Servers interface {
	piece.Lister
	Stage(ctx context.Context, t dbclient.Target, r dbclient.StageRequest) error
	Unstage(ctx context.Context, t dbclient.Target, r dbclient.UnstageRequest) error
}

// Timeouts bound what a restore waits for.
type Timeouts struct {
	Call       time.Duration // one call to the agency
	Answer     time.Duration // a DB server's answer to a short request
	Stall      time.Duration // a DB server that makes no progress for so long fails the restore
	Undo       time.Duration // undoing everything
	Converge   time.Duration // from the commit until all servers serve the restored state
	Succession time.Duration // then, until others lead the shards of servers that have FAILED
	Peers      time.Duration // waiting for the other coordinators
}

// Restorer restores backups. Any goroutine may use it.
type Restorer struct {
	Life        *operation.Life
	Locks       *lock.Locker
	Clusters    *topology.Reader
	Cache       Cache
	Servers     Servers
	Peers       Peers  // the other coordinators; nil: a restore does not wait for them
	Coordinator string // server id
	Version     string // of the API, for the version rule
	Steps       event.Sink
	Timeouts    Timeouts
	Log         hclog.Logger
}

// restoration is one restore while it runs. Its steps fill in its fields, in order.
type restoration struct {
	by      *Restorer
	op      *operation.Operation
	request Request

	lock     *lock.Lock
	cluster  *topology.Cluster
	failsafe backupid.Moment // names the backup of the engines that are replaced
	found    *piece.Set
	cert     *certificate.Certificate // nil: the backup has none
	signed   certificate.Signature
	plan     *topology.Stored
	shards   map[string]topology.Shard // of plan, with the servers of the backup
	reports  map[string]any            // Current/Collections until leaders report
	record   keys.Restore
}
