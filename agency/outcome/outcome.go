// Package outcome names the ways in which a request to change the agency's tree can end.
//
// A change is applied (no error), not applied for sure, or of unknown outcome. Unknown is
// never reported as not applied: the client asks inquire. Callers branch on these errors
// with errors.Is; others are wrapped around them to say why.
package outcome

import "errors"

var (
	// ErrNotLeader means that this agent does not lead: nothing was done and nothing
	// will be.
	ErrNotLeader = errors.New("not the agency's leader")
	// ErrUnknown means that leadership was lost or time ran out while a transaction was
	// on its way. It was applied, will be applied, or never is; inquire tells.
	ErrUnknown = errors.New("outcome unknown")
	// ErrClosed means that the agent is stopping: nothing was done and nothing will be.
	ErrClosed = errors.New("agent is closed")
	// ErrTimeout means that the time for an answer ran out. Together with [ErrUnknown] the
	// transaction was on its way; alone, nothing was done and nothing will be.
	ErrTimeout = errors.New("timeout")
)
