package keys

// Types of jobs.
const (
	JobFailedServer     = "failedServer"
	JobFailedLeader     = "failedLeader"
	JobFailedFollower   = "failedFollower"
	JobAddFollower      = "addFollower"
	JobRemoveFollower   = "removeFollower"
	JobMoveShard        = "moveShard"
	JobCleanOutServer   = "cleanOutServer"
	JobResignLeadership = "resignLeadership"
	JobCleanUpLost      = "cleanUpLostCollection"
)

// Resigned stands before the id of a planned leader that has to stop leading, and
// in Current before the id of one that has stopped.
const Resigned = "_"

// Job is the value of Target/{ToDo,Pending,Finished,Failed}/<id>: something that
// the supervision has to do. Times are RFC 3339.
type Job struct {
	Type         string `json:"type"`
	JobID        string `json:"jobId"`
	Creator      string `json:"creator"`
	TimeCreated  string `json:"timeCreated"`
	TimeStarted  string `json:"timeStarted,omitempty"`
	TimeFinished string `json:"timeFinished,omitempty"`
	ParentJob    string `json:"parentJob,omitempty"`
	NotBefore    string `json:"notBefore,omitempty"`
	Reason       string `json:"reason,omitempty"` // why it failed, or what it waits for
	Abort        bool   `json:"abort,omitempty"`  // it is to be cancelled

	Server          string `json:"server,omitempty"`
	Database        string `json:"database,omitempty"`
	Collection      string `json:"collection,omitempty"` // id
	Shard           string `json:"shard,omitempty"`
	FromServer      string `json:"fromServer,omitempty"`
	ToServer        string `json:"toServer,omitempty"`
	IsLeader        bool   `json:"isLeader,omitempty"`
	RemainsFollower bool   `json:"remainsFollower,omitempty"`
	UndoMoves       bool   `json:"undoMoves,omitempty"`
	// Added says that the job has put ToServer into Plan, so that it takes it out
	// again if it is given up.
	Added bool `json:"added,omitempty"`
}

// Return is the value of Target/ReturnLeadership/<shard>: a server that has given
// leadership away only until its next start.
type Return struct {
	Server   string `json:"server"`
	RebootID uint64 `json:"rebootId"` // with which it led
	Job      string `json:"job"`      // for which it resigned
}

// Event is one element of [SupervisionEvents]: what the supervision decided, and why.
type Event struct {
	Time     string `json:"time"` // RFC 3339, milliseconds
	Step     string `json:"step"`
	Job      string `json:"job,omitempty"`
	Database string `json:"database,omitempty"`
	Shard    string `json:"shard,omitempty"`
	Server   string `json:"server,omitempty"`
	Detail   string `json:"detail,omitempty"`
}
