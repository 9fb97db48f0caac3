package event

// Name names a step of a protocol. Its text is what users read and what the wire carries.
type Name string

// Operations, as [Event.Operation] names them.
const (
	Create      = "create"      // of a backup; emitted by the coordinator, and by DB servers about their gate and cut
	Restore     = "restore"     // of a backup; emitted by the coordinator, and by DB servers about their engine
	Delete      = "delete"      // of a backup; emitted by the coordinator
	Verify      = "verify"      // of a backup; emitted by the coordinator
	Upload      = "upload"      // of a backup; emitted by the coordinator and by the DB servers
	Download    = "download"    // of a backup; emitted by the coordinator and by the DB servers
	Replication = "replication" // of a shard; emitted by the DB server that leads it
	DBServer    = "dbserver"    // the life of a DB server; emitted by itself
	Agency      = "agency"      // the life of an agent; emitted by itself
	Supervision = "supervision" // emitted by the agent that leads
)

// Steps of a create that its coordinator emits, in order. A step of one DB server comes once for each of
// them, with its id in Server.
const (
	AgencyLock    Name = "acquiring agency lock"
	AgencyLocked  Name = "agency lock acquired"
	AgencyWaiting Name = "waiting for agency lock"
	PlanDump      Name = "reading Plan"
	Prepare       Name = "preparing"
	LockAttempt   Name = "locking"
	LockFailed    Name = "lock attempt failed"
	Locked        Name = "all gates held"
	// TransactionAborted is of a backup with force: a DB server has aborted an open transaction. Elapsed is its age.
	TransactionAborted Name = "open transaction aborted"
	Unprotected        Name = "going on without the global lock"
	Cut                Name = "cutting"
	CutDone            Name = "cut" // of one DB server
	GatesOpened        Name = "gates opened"
	Thawed             Name = "Plan thawed"
	Linking            Name = "linking"
	Linked             Name = "linked" // of one DB server
	Verified           Name = "verified"
	Sealed             Name = "sealed"
	Committing         Name = "committing"
	Committed          Name = "committed"
	Publishing         Name = "publishing"
	Published          Name = "published" // of one DB server
	Undoing            Name = "undoing"
	DeadTime           Name = "dead time" // of a create that has failed after it asked for gates; Detail says how long writers waited
	Undone             Name = "undone"
)

// Steps of a create that each DB server emits itself, in order. Attempt says of which attempt they are.
// GateAsked is followed by GateGranted or GateRefused, GateGranted by GateReleased or GateExpired.
const (
	GateAsked    Name = "gate asked for"
	GateRefused  Name = "gate not granted" // Detail says why
	GateGranted  Name = "gate granted"     // Elapsed is how long it waited
	CutFixed     Name = "cut fixed"        // a Sink that waits here holds the gate; Elapsed is how long it took
	GateReleased Name = "gate released"    // by the coordinator; Elapsed is how long it was held
	GateExpired  Name = "gate expired"     // it opened by itself; Detail says why: no beat, the lease, a lost lock
)

// Steps of a restore that its coordinator emits, in order, after the [AgencyLock] steps of a create.
// EngineSwapping and EngineSwapped are emitted by each DB server itself.
const (
	Matched        Name = "servers matched"
	Staging        Name = "staging"
	Staged         Name = "staged" // of one DB server
	PlanSwitching  Name = "switching Plan"
	PlanSwitched   Name = "Plan switched"
	EngineSwapping Name = "swapping engine"
	EngineSwapped  Name = "engine swapped"
	Converging     Name = "waiting for servers"
	Restored       Name = "restored"
)

// Steps of a delete, in order. [Deleting] is followed by [Deleted], [DeleteFailed] or [DeleteUnknown] in the end.
const (
	Deleting      Name = "deleting"
	DeleteDecided Name = "deletion committed" // from now on no command sees the backup
	PieceRemoved  Name = "piece removed"      // of one DB server: it has no piece any more
	Deleted       Name = "deleted"            // Detail names the servers whose pieces are removed later
	DeleteFailed  Name = "deletion failed"    // nothing was deleted; Error says why
	DeleteUnknown Name = "deletion unknown"   // the agency has not said whether it was committed; Error says why
)

// Steps of a verify, in order. [Verifying] is always followed by [VerifyEnded].
const (
	Verifying     Name = "verifying"
	PieceVerified Name = "piece verified"     // of one DB server; Detail has what is wrong with it
	VerifyEnded   Name = "verification ended" // Detail has what is wrong with the backup; Error says why it was not verified
)

// Steps of an upload or a download, in order. A piece is the part of one DB server; its steps have the
// DB server's id in Server. Detail begins with "job " and the job's id.
const (
	TransferRecorded  Name = "transfer recorded" // the job is in the agency
	TransferPlanned   Name = "transfer planned"  // which server moves which piece is decided
	TransferAssigned  Name = "transfer assigned" // of one DB server: it has accepted its part
	PieceStarted      Name = "piece transfer started"
	PieceMoved        Name = "piece transferred"
	PieceFailed       Name = "piece transfer failed"
	PieceCancelled    Name = "piece transfer cancelled"
	TransferCompleted Name = "transfer completed"
	TransferFailed    Name = "transfer failed"
	TransferCancelled Name = "transfer cancelled"
)

// Steps in the life of a DB server.
const (
	DiskHangs      Name = "disk hangs"
	DiskAnswers    Name = "disk answers again"
	ShardsReopened Name = "shards opened again"
	TableDamaged   Name = "table damaged" // a file of the engine is not what was written; Detail says which
)
