package client

import (
	"context"
	"net/http"
	"net/url"
	"time"
)

// Cluster administers a cluster. What takes time is a job: its methods return the id, and
// [Client.Job] says how it stands. Servers are named by id or short name.
type Cluster struct{ client *Client }

// Cluster gives access to the administration. It sends nothing.
func (c *Client) Cluster() Cluster { return Cluster{c} }

const pathCluster = "/_admin/cluster/"

// startJob asks for a job and returns its id.
func (a Cluster) startJob(ctx context.Context, what string, body any) (string, error) {
	var answer struct {
		ID string `json:"id"`
	}
	err := a.client.Do(ctx, http.MethodPost, pathCluster+what, body, &answer)
	return answer.ID, err
}

// MoveShard is a move of one replica of a shard, or of its leadership.
type MoveShard struct {
	Database        string `json:"database"`
	Collection      string `json:"collection"` // name or id
	Shard           string `json:"shard"`
	FromServer      string `json:"fromServer"`
	ToServer        string `json:"toServer"`
	RemainsFollower bool   `json:"remainsFollower"` // a leader that is moved away keeps its replica
}

// MoveShard starts a move. If ToServer has a replica already, only the leadership moves.
func (a Cluster) MoveShard(ctx context.Context, m MoveShard) (job string, err error) {
	return a.startJob(ctx, "moveShard", m)
}

// CleanOut starts to move everything off a DB server. Nothing is put on it any more.
func (a Cluster) CleanOut(ctx context.Context, server string) (job string, err error) {
	return a.startJob(ctx, "cleanOutServer", struct {
		Server string `json:"server"`
	}{server})
}

// Resign starts to hand the leadership of all shards of a DB server to their followers. With
// undo they are given back when the server has restarted.
func (a Cluster) Resign(ctx context.Context, server string, undo bool) (job string, err error) {
	return a.startJob(ctx, "resignLeadership", struct {
		Server    string `json:"server"`
		UndoMoves bool   `json:"undoMoves"`
	}{server, undo})
}

// RemoveServer takes a DB server or coordinator out of the cluster for good. It must have
// been stopped, and a DB server must have no shard; the coordinator waits a minute for both.
func (a Cluster) RemoveServer(ctx context.Context, server string) error {
	return a.client.Do(ctx, http.MethodPost, pathCluster+"removeServer", server, nil)
}

// CancelJob asks the supervision to give up a job: a move or a clean-out.
func (a Cluster) CancelJob(ctx context.Context, id string) error {
	return a.client.Do(ctx, http.MethodPost, pathCluster+"cancelAgencyJob", struct {
		ID string `json:"id"`
	}{id}, nil)
}

// Rebalance starts the moves that spread leaders and followers evenly, at most one of each
// shard, and returns the ids of their jobs.
func (a Cluster) Rebalance(ctx context.Context) (jobs []string, err error) {
	var answer struct {
		IDs []string `json:"ids"`
	}
	err = a.client.Do(ctx, http.MethodPost, pathCluster+"rebalanceShards", struct{}{}, &answer)
	return answer.IDs, err
}

// Move is one move of a rebalancing.
type Move struct {
	Database   string `json:"database"`
	Collection string `json:"collection"` // id
	Shard      string `json:"shard"`
	From       string `json:"from"`
	To         string `json:"to"`
	IsLeader   bool   `json:"isLeader"` // the replica that moves leads the shard
}

// PlanRebalance returns the moves that Rebalance would make, and makes none.
func (a Cluster) PlanRebalance(ctx context.Context) ([]Move, error) {
	body := struct {
		Version       int  `json:"version"`
		MoveLeaders   bool `json:"moveLeaders"`
		MoveFollowers bool `json:"moveFollowers"`
	}{1, true, true}
	var answer result[struct {
		Moves []Move `json:"moves"`
	}]
	err := a.client.ask(ctx, http.MethodPost, pathCluster+"rebalance", body, &answer)
	return answer.Result.Moves, err
}

// Modes of the supervision, and of one DB server in its eyes.
const (
	ModeNormal      = "Normal"
	ModeMaintenance = "Maintenance"
)

// Supervision returns [ModeNormal], or [ModeMaintenance] while the supervision is paused.
func (a Cluster) Supervision(ctx context.Context) (mode string, err error) {
	var answer result[string]
	err = a.client.ask(ctx, http.MethodGet, pathCluster+"maintenance", nil, &answer)
	return answer.Result, err
}

// PauseSupervision stops failovers, moves and clean-ups for a time; 0 is an hour. It returns
// what that means, for people.
func (a Cluster) PauseSupervision(ctx context.Context, d time.Duration) (note string, err error) {
	if d <= 0 {
		return a.supervise(ctx, "on")
	}
	return a.supervise(ctx, d.Seconds())
}

// ResumeSupervision ends a pause.
func (a Cluster) ResumeSupervision(ctx context.Context) (note string, err error) {
	return a.supervise(ctx, "off")
}

func (a Cluster) supervise(ctx context.Context, wish any) (note string, err error) {
	var answer struct {
		Warning string `json:"warning"`
	}
	err = a.client.Do(ctx, http.MethodPut, pathCluster+"maintenance", wish, &answer)
	return answer.Warning, err
}

// ServerMode is whether the failure of one DB server has consequences.
type ServerMode struct {
	Mode  string `json:"Mode,omitempty"`  // "" is normal
	Until string `json:"Until,omitempty"` // RFC 3339
}

// Server returns the mode of one DB server.
func (a Cluster) Server(ctx context.Context, server string) (ServerMode, error) {
	var answer result[ServerMode]
	err := a.client.ask(ctx, http.MethodGet, pathCluster+"maintenance/"+url.PathEscape(server), nil, &answer)
	return answer.Result, err
}

// PauseServer lets the failure of one DB server be without consequences for a time; 0 is an
// hour.
func (a Cluster) PauseServer(ctx context.Context, server string, d time.Duration) error {
	return a.setServer(ctx, server, serverPause{Mode: "maintenance", Timeout: d.Seconds()})
}

// ResumeServer ends a pause of a DB server.
func (a Cluster) ResumeServer(ctx context.Context, server string) error {
	return a.setServer(ctx, server, serverPause{Mode: "normal"})
}

type serverPause struct {
	Mode    string  `json:"mode"`
	Timeout float64 `json:"timeout,omitempty"` // seconds
}

func (a Cluster) setServer(ctx context.Context, server string, p serverPause) error {
	return a.client.Do(ctx, http.MethodPut, pathCluster+"maintenance/"+url.PathEscape(server), p, nil)
}
