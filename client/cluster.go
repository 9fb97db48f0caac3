package client

import (
	"context"
	"net/http"
	"net/url"
	"slices"
)

// Paths of what is told of shards, jobs and the supervision's decisions.
const (
	// PathShards answers GET with Shards. Parameters: database and collection (name
	// or id) choose; with checksum=true every replica is asked what it holds.
	PathShards = "/_stasis/shards"
	// PathJobs answers GET with Jobs; id chooses one and its children.
	PathJobs = "/_stasis/jobs"
	// PathEvents answers GET with the supervision's decisions, one Event a line: those
	// kept, or with last=n the last n; with follow=true also every new one.
	PathEvents = "/_stasis/events"
)

// Shards is every shard, sorted by database, collection and number.
type Shards struct {
	Shards []Shard `json:"shards"`
}

// Shard is one shard as Plan and Current have it.
type Shard struct {
	Database          string    `json:"database"`
	Collection        string    `json:"collection"`
	CollectionID      string    `json:"collectionId"`
	Shard             string    `json:"shard"`
	ReplicationFactor int       `json:"replicationFactor"`
	WriteConcern      int       `json:"writeConcern"`
	Term              uint64    `json:"term"`               // in Plan
	Leader            string    `json:"leader"`             // planned
	Resigns           bool      `json:"resigns"`            // the leader has been asked to stop leading
	Serving           bool      `json:"serving"`            // the leader has reported to serve in the planned term
	Followers         []string  `json:"followers"`          // planned
	InSync            []string  `json:"inSync"`             // by the last report, the leader that made it included
	Replicas          []Replica `json:"replicas,omitempty"` // what every planned server holds, if asked for
}

// Replica is what one server says of what it holds of a shard.
type Replica struct {
	Server    string `json:"server"`
	Role      string `json:"role,omitempty"` // in its own eyes
	InSync    bool   `json:"inSync"`
	Term      uint64 `json:"term"` // of its last write
	Seq       uint64 `json:"seq"`
	Committed uint64 `json:"committed"`
	Count     uint64 `json:"count"`
	Checksum  string `json:"checksum,omitempty"`
	Copying   bool   `json:"copying,omitempty"` // it is getting a copy, and has not all of it
	Error     string `json:"error,omitempty"`   // instead of the rest: why it did not answer
}

// Replicated is how many of the planned replicas are in sync.
func (s Shard) Replicated() int {
	n := 0
	for _, server := range append([]string{s.Leader}, s.Followers...) {
		if slices.Contains(s.InSync, server) {
			n++
		}
	}
	return n
}

// Identical says whether all replicas answered, and hold the same up to the same
// committed write. A follower applies what its leader has committed a moment later,
// so while writers write, and shortly after, replicas may be at different writes.
func (s Shard) Identical() bool {
	for _, r := range s.Replicas {
		if r.Error != "" || r.Copying || r.Committed != s.Replicas[0].Committed || r.Checksum != s.Replicas[0].Checksum || r.Count != s.Replicas[0].Count {
			return false
		}
	}
	return len(s.Replicas) > 0
}

// Diverged says whether two whole replicas hold different things up to the same
// committed write. That must never be.
func (s Shard) Diverged() bool {
	at := map[uint64]Replica{}
	for _, r := range s.Replicas {
		if r.Error != "" || r.Copying {
			continue
		}
		if other, known := at[r.Committed]; known && (other.Checksum != r.Checksum || other.Count != r.Count) {
			return true
		}
		at[r.Committed] = r
	}
	return false
}

// Jobs is every job of the supervision, in the order of their ids.
type Jobs struct {
	Jobs []Job `json:"jobs"`
}

// Statuses of a Job. The last two are final.
const (
	JobToDo     = "ToDo"
	JobPending  = "Pending"
	JobFinished = "Finished"
	JobFailed   = "Failed"
)

// Job is something that the supervision has to do, or has done.
type Job struct {
	ID           string `json:"jobId"`
	Type         string `json:"type"`
	Status       string `json:"status"`
	Reason       string `json:"reason,omitempty"` // why it failed, or what it waits for
	Parent       string `json:"parentJob,omitempty"`
	Creator      string `json:"creator"`
	TimeCreated  string `json:"timeCreated"`
	TimeStarted  string `json:"timeStarted,omitempty"`
	TimeFinished string `json:"timeFinished,omitempty"`
	Abort        bool   `json:"abort,omitempty"`
	Server       string `json:"server,omitempty"`
	Database     string `json:"database,omitempty"`
	Collection   string `json:"collection,omitempty"` // id
	Shard        string `json:"shard,omitempty"`
	FromServer   string `json:"fromServer,omitempty"`
	ToServer     string `json:"toServer,omitempty"`
	IsLeader     bool   `json:"isLeader,omitempty"`
}

// Over says whether nothing will become of the job any more.
func (j Job) Over() bool { return j.Status == JobFinished || j.Status == JobFailed }

// Event is a decision of the supervision, and why it was made.
type Event struct {
	Time     string `json:"time"`
	Step     string `json:"step"`
	Job      string `json:"job,omitempty"`
	Database string `json:"database,omitempty"`
	Shard    string `json:"shard,omitempty"`
	Server   string `json:"server,omitempty"`
	Detail   string `json:"detail,omitempty"`
}

// ShardsQuery chooses shards; zero fields choose all.
type ShardsQuery struct {
	Database, Collection string
	Checksum             bool // ask every replica
}

// Shards tells where shards are.
func (c *Client) Shards(ctx context.Context, q ShardsQuery) ([]Shard, error) {
	params := url.Values{}
	for name, value := range map[string]string{"database": q.Database, "collection": q.Collection} {
		if value != "" {
			params.Set(name, value)
		}
	}
	if q.Checksum {
		params.Set("checksum", "true")
	}
	var all Shards
	err := c.Do(ctx, http.MethodGet, PathShards+"?"+params.Encode(), nil, &all)
	return all.Shards, err
}

// StartJob asks for a job, by the last part of its path, and gives the job's id.
func (c *Client) StartJob(ctx context.Context, what string, request any) (string, error) {
	var answer struct {
		ID string `json:"id"`
	}
	err := c.Do(ctx, http.MethodPost, "/_admin/cluster/"+what, request, &answer)
	return answer.ID, err
}

// Job tells how a job stands.
func (c *Client) Job(ctx context.Context, id string) (Job, error) {
	var j Job
	err := c.Do(ctx, http.MethodGet, "/_admin/cluster/queryAgencyJob?id="+url.QueryEscape(id), nil, &j)
	return j, err
}

// Jobs lists jobs: all, or one and its children.
func (c *Client) Jobs(ctx context.Context, id string) ([]Job, error) {
	path := PathJobs
	if id != "" {
		path += "?id=" + url.QueryEscape(id)
	}
	var all Jobs
	err := c.Do(ctx, http.MethodGet, path, nil, &all)
	return all.Jobs, err
}
