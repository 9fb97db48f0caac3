package create

import (
	"encoding/json"
	"time"

	"stasis/coordinator/backup/backupid"
	"stasis/coordinator/backup/lock"
	"stasis/coordinator/backup/operation"
	"stasis/coordinator/backup/topology"
	dbclient "stasis/dbserver/client"
)

// creation is one backup while it is made. Its steps fill in its fields, in order.
type creation struct {
	by      *Creator
	op      *operation.Operation
	request Request
	moment  backupid.Moment // the time of the backup; the id is made of it

	lock      *lock.Lock
	cluster   *topology.Cluster
	shards    map[string]topology.Shard // in Plan
	pending   *pending
	gates     *globalLock
	asking    func()    // ends the questions to servers that have not told how long writers waited; nil: there are none
	marked    bool      // potentially inconsistent
	thawAsked time.Time // Plan was frozen until then
	sealed    sealed
	pieces    map[string]dbclient.Piece
	behind    []string // servers that have not published yet
}

// sealed is what is stored in the pieces.
type sealed struct {
	dump              json.RawMessage // dbserver.AgencyDump
	dumpSHA256        string
	certificate       json.RawMessage
	certificateSHA256 string
	key               string // id of the one that has signed it
}

// lockDeadline is the end of the timeout. All gates must be held before.
func (c *creation) lockDeadline() time.Time { return c.op.Began.Add(c.request.Timeout) }
