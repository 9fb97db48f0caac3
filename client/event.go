package client

import (
	"context"
	"encoding/json"
	"net/url"
	"strconv"

	"stasis/event"
)

const (
	// PathSteps answers GET with step events, one [event.Event] a line: those kept, or with
	// last=n the last n of them; with follow=true also every new one until the client goes.
	PathSteps = "/_stasis/steps"
	// PathEvents answers GET with the supervision's decisions, one Decision a line; the
	// parameters are those of [PathSteps].
	PathEvents = "/_stasis/events"
)

// Operations of step events.
const (
	OperationCreate  = "create"
	OperationRestore = "restore"
	OperationDelete  = "delete"
)

// Decision is a decision of the supervision, and why it was made.
//
// It is not an [event.Event]. That is a step of one process at the moment it happens, and is
// kept by that process. A Decision is stored in the agency together with the change that it
// explains, so all coordinators list the same ones, also later.
type Decision struct {
	Time     string `json:"time"` // RFC 3339, milliseconds
	Step     string `json:"step"`
	Job      string `json:"job,omitempty"`
	Database string `json:"database,omitempty"`
	Shard    string `json:"shard,omitempty"`
	Server   string `json:"server,omitempty"`
	Detail   string `json:"detail,omitempty"`
}

// Follow says which events to read.
type Follow struct {
	Last   int    // how many of those that are kept: the newest ones; all that are kept if Last is negative
	New    bool   // also every new one, until ctx ends
	Opened func() // if set: is called when the coordinator has accepted the request, so that no later event is missed
}

func (f Follow) query(path string) string {
	q := url.Values{"follow": {strconv.FormatBool(f.New)}}
	if f.Last >= 0 {
		q.Set("last", strconv.Itoa(f.Last))
	}
	return path + "?" + q.Encode()
}

// Steps hands the steps of backups and restores on this coordinator to each, in order, until
// they end or each fails. If a follower is too slow it misses the oldest ones.
func (c *Client) Steps(ctx context.Context, f Follow, each func(event.Event) error) error {
	return follow(ctx, c, PathSteps, f, each)
}

// Decisions hands the supervision's decisions to each, in order, until they end or each
// fails.
func (c *Client) Decisions(ctx context.Context, f Follow, each func(Decision) error) error {
	return follow(ctx, c, PathEvents, f, each)
}

func follow[T any](ctx context.Context, c *Client, path string, f Follow, each func(T) error) error {
	opened := f.Opened
	if opened == nil {
		opened = func() {}
	}
	return c.Stream(ctx, f.query(path), opened, func(raw json.RawMessage) error {
		var one T
		if err := json.Unmarshal(raw, &one); err != nil {
			return err
		}
		return each(one)
	})
}
