package client

import (
	"context"
	"net/http"
	"net/url"
	"slices"
)

// PathShards answers GET with Shards. The parameters database and collection (name or id)
// choose; with checksum=true every replica is asked what it holds.
const PathShards = "/_stasis/shards"

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

// Identical says whether all replicas answered and hold the same up to the same committed
// write. A follower applies a write a moment after its leader. So while writers write, and
// shortly after, replicas may be at different writes.
func (s Shard) Identical() bool {
	for _, r := range s.Replicas {
		if r.Error != "" || r.Copying || r.Committed != s.Replicas[0].Committed || r.Checksum != s.Replicas[0].Checksum || r.Count != s.Replicas[0].Count {
			return false
		}
	}
	return len(s.Replicas) > 0
}

// Diverged says whether two whole replicas hold different data up to the same committed
// write. That must never happen.
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

// ShardsQuery chooses shards; zero fields choose all.
type ShardsQuery struct {
	Database, Collection string
	Checksum             bool // ask every replica
}

// Shards lists shards, sorted by database, collection and number. [ErrNotFound]: there is no
// such database or collection.
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
	path := PathShards
	if len(params) > 0 {
		path += "?" + params.Encode()
	}
	var all Shards
	err := c.ask(ctx, http.MethodGet, path, nil, &all)
	return all.Shards, err
}
