package agency

import "errors"

// Every proposal ends in one of three ways: applied (no error), not applied for
// sure, or unknown. These are the conditions callers branch on.
var (
	// ErrNotLeader: this agent does not lead, so nothing was done and nothing
	// will be.
	ErrNotLeader = errors.New("not the agency's leader")
	// ErrUnknown: leadership was lost or time ran out while a transaction was on
	// its way. It may have been applied or may yet be; ask inquire.
	ErrUnknown = errors.New("outcome unknown")
	// ErrClosed: the agent is stopping; nothing was done and nothing will be.
	ErrClosed = errors.New("agent is closed")
	// ErrTimeout: the time for an answer ran out. With ErrUnknown the transaction
	// was on its way; without, nothing was done and nothing will be.
	ErrTimeout = errors.New("timeout")
)

// errBroken ends everything on a node that could not understand an entry.
var errBroken = errors.New("a committed entry could not be decoded")
