package client

import (
	"context"
	"net/http"
	"net/url"
)

// PathJobs answers GET with Jobs; the parameter id chooses one and its children.
const PathJobs = "/_stasis/jobs"

// Jobs are jobs of the supervision, in the order of their ids.
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

// Job is a change that the supervision carries out in steps: a failover, a move, a drain.
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

// Over says whether the job has ended, with or without success.
func (j Job) Over() bool { return j.Status == JobFinished || j.Status == JobFailed }

// Job returns one job. [ErrNotFound]: there is none with this id.
func (c *Client) Job(ctx context.Context, id string) (Job, error) {
	var j Job
	err := c.ask(ctx, http.MethodGet, "/_admin/cluster/queryAgencyJob?id="+url.QueryEscape(id), nil, &j)
	return j, err
}

// Jobs lists jobs: all if id is "", else that one and its children.
func (c *Client) Jobs(ctx context.Context, id string) ([]Job, error) {
	path := PathJobs
	if id != "" {
		path += "?id=" + url.QueryEscape(id)
	}
	var all Jobs
	err := c.ask(ctx, http.MethodGet, path, nil, &all)
	return all.Jobs, err
}
