package create

import (
	"time"

	"stasis/client/certificate"
	"stasis/coordinator/backup/fanout"
	"stasis/coordinator/backup/operation"
	"stasis/coordinator/backup/topology"
	dbclient "stasis/dbserver/client"
)

// globalLock is all gates together, over the attempts to hold them. It keeps the evidence
// of the last attempt and the report of all.
type globalLock struct {
	op       *operation.Operation
	servers  Servers
	members  []fanout.Member
	shards   map[string]topology.Shard // in Plan
	timeouts Timeouts

	forced     bool      // the timeout has ended: open transactions are aborted
	first      time.Time // the first attempt
	silent     silentSince
	dead       *deadTimes
	evidence   map[string]certificate.ServerEvidence
	cuts       cuts
	statements map[string]dbclient.ShardStatement // what the leaders stated with their cuts
	instant    certificate.Instant
	report     certificate.LockReport
}
