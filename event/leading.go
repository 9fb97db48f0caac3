package event

// Steps of a leadership of the agency. Term is Raft's.
const (
	AgentLeads       Name = "agent leads"         // it has passed its barrier and is about to serve
	AgentLeadsNoMore Name = "agent leads no more" // and does nothing of a leader any more
)

// Steps of the leadership of one shard, emitted by its leader. ID is the shard, Term that of the
// leadership. [LeadershipTaken] is followed by [LeadershipResigned], or by [LeadershipLost] if Plan names
// another leader, or another term, or the server stops.
const (
	LeadershipTaken    Name = "leadership taken"
	LeadershipResigned Name = "leadership resigned"
	LeadershipLost     Name = "leadership lost"
	FollowerInSync     Name = "follower in sync"
	FollowerNotInSync  Name = "follower no longer in sync"
	FollowerCopied     Name = "follower copied"
)

// Decisions of the supervision. Each is emitted when the agency has applied its transaction.
const (
	ServerHealthChanged    Name = "server health changed"
	AgencyLockExpired      Name = "agency lock expired"
	AgencyLockBroken       Name = "agency lock broken" // by an operator, through a coordinator; Detail says whose it was
	LockHolderRemoved      Name = "holder without agency lock removed"
	CreationRemoved        Name = "unfinished creation removed"
	SupervisionModeChanged Name = "supervision mode changed"
	GracePeriodChanged     Name = "grace period changed"
	MaintenanceChanged     Name = "server maintenance changed"
)

// Decisions of the supervision about jobs and shards. ID is the job.
const (
	JobCreated            Name = "job created"
	JobStarted            Name = "job started"
	JobFinished           Name = "job finished"
	JobFailed             Name = "job failed"
	JobSetBack            Name = "job set back"
	JobWaits              Name = "job waits"
	JobsHeld              Name = "jobs wait for the thaw"
	JobLockRemoved        Name = "lock of an ended job removed"
	ShardLeaderChanged    Name = "leader changed"
	ShardLeaderResigns    Name = "leader asked to resign"
	ShardLeaderStays      Name = "resignation taken back"
	ShardLeaderMissing    Name = "shard without leader"
	FollowerAdded         Name = "follower added"
	FollowerRemoved       Name = "follower removed"
	FollowerReplaced      Name = "follower replaced"
	LeadershipNotReturned Name = "leadership not returned"
	LostReportRemoved     Name = "report of a lost shard removed"
)
