// Package keys names the keys that Stasis keeps in the agency and the records
// stored under them. It is the one place where a path below /arango is spelled.
//
// There are three kinds of keys, as in ArangoDB. Plan is what should be: coordinators and the
// supervision change it, and it is frozen while a backup or restore holds the agency lock and
// has not thawed it. Current is what is: DB servers report it. Target is what is asked for: jobs,
// maintenance, locks. A transaction that changes Plan or Current increments its Version.
//
// The package holds names and plain data only. It does no I/O, and imports no other package of
// Stasis.
package keys

import (
	"net/url"
	"strconv"
)

// Fixed keys.
const (
	Root     = "/arango"
	Cluster  = Root + "/Cluster"  // cluster uuid
	InitDone = Root + "/InitDone" // true once bootstrapped

	AgencyDefinition = Root + "/Agency/Definition"
	Readonly         = Root + "/Readonly" // server mode

	Plan             = Root + "/Plan"
	PlanVersion      = Plan + "/Version"
	PlanDatabases    = Plan + "/Databases"
	PlanCollections  = Plan + "/Collections"
	PlanDBServers    = Plan + "/DBServers"
	PlanCoordinators = Plan + "/Coordinators"

	Current                  = Root + "/Current"
	CurrentVersion           = Current + "/Version"
	CurrentDatabases         = Current + "/Databases"
	CurrentCollections       = Current + "/Collections"
	CurrentDBServers         = Current + "/DBServers"
	CurrentCoordinators      = Current + "/Coordinators"
	CurrentServersRegistered = Current + "/ServersRegistered"
	CurrentServersKnown      = Current + "/ServersKnown"

	LatestID         = Root + "/Sync/LatestID"
	HeartbeatMS      = Root + "/Sync/HeartbeatIntervalMs"
	ServerStates     = Root + "/Sync/ServerStates" // transient store: heartbeats
	RestoreEpoch     = Root + "/Sync/HotBackupRestoreDone"
	Supervision      = Root + "/Supervision"
	Health           = Supervision + "/Health" // status changes here, every pass of the supervision in the transient store
	SupervisionState = Supervision + "/State"

	SupervisionMode        = SupervisionState + "/Mode"     // Normal or Maintenance
	Maintenance            = Supervision + "/Maintenance"   // expiry time; absent: off
	SupervisionGrace       = Supervision + "/GraceSeconds"  // a server is not FAILED before it has been silent for so long; serving leases of DB servers are shorter
	SupervisionGraceBefore = Supervision + "/GraceBefore"   // the longer one before, until it has passed once since the present one was recorded
	SupervisionEvents      = Supervision + "/Events"        // array of Event, the newest last, bounded
	SupervisionLock        = Supervision + "/HotBackupLock" // transient store: LockLease, while the agency lock is held
	EventsKept             = 256                            // in SupervisionEvents
	ShardLocks             = Supervision + "/Shards"        // <shard> → id of the job that may change it
	ServerLocks            = Supervision + "/DBServers"     // <server> → id of the job that may change it

	Target           = Root + "/Target"
	TargetToDo       = Target + "/ToDo"
	TargetPending    = Target + "/Pending"
	TargetFinished   = Target + "/Finished"
	TargetFailed     = Target + "/Failed"
	FailedServers    = Target + "/FailedServers" // <id> → {} while it counts as failed
	CleanedServers   = Target + "/CleanedServers"
	ToBeCleaned      = Target + "/ToBeCleanedServers"
	RemovedServers   = Target + "/RemovedServers"
	NumberOfDBS      = Target + "/NumberOfDBServers"
	NumberOfCoords   = Target + "/NumberOfCoordinators"
	ShortIDs         = Target + "/MapUniqueToShortID"
	LatestDBServer   = Target + "/LatestDBServerId"
	LatestCoord      = Target + "/LatestCoordinatorId"
	HotBackup        = Target + "/HotBackup"
	HotBackupCreate  = HotBackup + "/Create"       // the agency lock; while it exists Plan is frozen, unless its holder has thawed it
	HotBackupHolder  = HotBackup + "/Holder"       // Holder
	HotBackupNonce   = HotBackupHolder + "/nonce"  // showing it is the one way past the freeze
	HotBackupThawed  = HotBackupHolder + "/thawed" // = the lock's value: Plan is not frozen any more, though the lock is held
	HotBackupPhase   = HotBackupHolder + "/phase"  // what the holder is doing, for people
	HotBackupBeat    = HotBackupHolder + "/beat"   // renewal counter
	HotBackupCommits = HotBackup + "/Committed"    // <id> → Commit
	HotBackupDeleted = HotBackup + "/Deleted"      // <server>/<id> → Deletion: the tombstone of a piece that this server has to remove
	HotBackupDeletes = HotBackup + "/Deletes"      // counts deletions: a list during which it changed is made again
	HotBackupRestore = HotBackup + "/Restore"      // Restore: the last committed restore
	HotBackupWaiting = HotBackup + "/Waiting"      // <nonce> → Holder that waits for the agency lock, with a time to live: while the lock is free no job begins that would stay pending

	HotBackupKeys = HotBackup + "/SigningKeys" // <key id> → SigningKey: who signs the backups of this cluster

	HotBackupOlder    = HotBackupRestore + "/older" // ids of failsafe backups that go when that of the restore is whole
	HotBackupDeparted = HotBackup + "/Departed"     // <removed server> → Deletes at its removal, if no piece of it had to go then

	HotBackupJobs  = HotBackup + "/TransferJobs" // <id> → TransferJob
	HotBackupLocks = HotBackup + "/Transfers"    // <lock location> → id of the job that holds it

	ReturnLeadership = Target + "/ReturnLeadership" // <shard> → Return: the server that is to lead it again

	TargetMaintenance  = Target + "/MaintenanceDBServers"  // <id> → ServerMaintenance that is asked for
	CurrentMaintenance = Current + "/MaintenanceDBServers" // <id> → ServerMaintenance in effect
)

// PlanDatabase is the key of a database in Plan.
func PlanDatabase(db string) string { return PlanDatabases + "/" + db }

// PlanCollection is the key of a collection in Plan.
func PlanCollection(db, cid string) string { return PlanCollections + "/" + db + "/" + cid }

// CurrentShard is the key under which a shard's leader reports it.
func CurrentShard(db, cid, shard string) string {
	return CurrentCollections + "/" + db + "/" + cid + "/" + shard
}

// CurrentDatabase is the key under which a DB server reports a database.
func CurrentDatabase(db, server string) string { return CurrentDatabases + "/" + db + "/" + server }

// HotBackupCommit is the key that records the backup id as committed.
func HotBackupCommit(id string) string { return HotBackupCommits + "/" + id }

// HotBackupKey is the key of a public key that signs backups.
func HotBackupKey(id string) string { return HotBackupKeys + "/" + id }

// Departed is the key of the count of deletions at the removal of a server. As long as Deletes has
// that value, no backup has been deleted without the server.
func Departed(id string) string { return HotBackupDeparted + "/" + id }

// ServerRemoved is the key that says when a server was taken out of the cluster. A DB server that
// comes back removes it.
func ServerRemoved(id string) string { return RemovedServers + "/" + id }

// HotBackupDeletion is the key of the tombstone of a server's piece of a backup. That server alone
// removes it, after the piece.
func HotBackupDeletion(server, id string) string { return HotBackupDeleted + "/" + server + "/" + id }

// TransferJobKey is the key of an upload or download.
func TransferJobKey(id string) string { return HotBackupJobs + "/" + id }

// TransferEntryKey is the key of one DB server's part of an upload or download.
func TransferEntryKey(id, server string) string { return TransferJobKey(id) + "/DBServers/" + server }

// TransferLock is the key of the lock at a location; see [TransferLocation].
func TransferLock(location string) string { return HotBackupLocks + "/" + location }

// TransferLocation names what only one transfer may do at a time: a direction, a
// remote, a backup and the DB server whose piece it is. The remote's path is one
// part of it, whatever is in it.
func TransferLocation(kind, remote, backup, server string) string {
	return kind + "/" + url.PathEscape(remote) + "/" + backup + "/" + server
}

// ServerKnown is the key of a server's reboot id and epoch.
func ServerKnown(server string) string { return CurrentServersKnown + "/" + server }

// ServerHealth is the key of what was last recorded about a server.
func ServerHealth(server string) string { return Health + "/" + server }

// PlanShard is the key of a shard's servers in Plan, leader first.
func PlanShard(db, cid, shard string) string { return PlanCollection(db, cid) + "/shards/" + shard }

// RecoveryStep is by how much a recovery of the agency raises the terms of all shards and
// [LatestID], for each incarnation that it goes on. It is more than any incarnation raises them:
// what was given in entries which are lost is lower than all that is given after the recovery.
// Numbers stay exact where they are doubles.
const RecoveryStep = 1 << 32

// PlanTerm is the key of a shard's leadership term.
func PlanTerm(db, cid, shard string) string { return PlanCollection(db, cid) + "/shardTerms/" + shard }

// ServerRegistered is the key of a server's address and version.
func ServerRegistered(server string) string { return CurrentServersRegistered + "/" + server }

// ShardName makes a shard's name of a number from the cluster's id range.
func ShardName(n uint64) string { return "s" + strconv.FormatUint(n, 10) }
