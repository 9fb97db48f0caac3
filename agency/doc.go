// Package agency is one agent: a Raft node that replicates the key tree of
// package fsm, and the HTTP API around it. DESIGN.md beside this file argues why
// it is right; start there.
//
// It is for whoever runs an agent (the launcher, clusters in one process). All
// others talk to agents over HTTP, through agency/client.
//
// It owns the agent's data directory (Raft's log and votes, see layout.go, snapshots/,
// the identity file), its one listening port, and every goroutine it starts. Raft
// and its stores are imported nowhere else.
//
// The way in and out:
//
//	mux        one port → Raft streams, HTTP connections
//	api        HTTP → envelopes → answers; statuses, redirects
//	jobs       answers that are fetched later
//	proposer   envelopes → Raft entries, few on their way at a time
//	machine    Raft entries → fsm, outcomes, who waits for a change
//	watchers   followers → woken together, the more rarely the more they are
//	rounds     readers → one confirmation of leadership for all that wait
//	probation  who starts with nothing does not vote as itself
//	founding   who has nothing, and asks all others, becomes an agency
//	origins    which agency this is; strangers are refused, or are this agent
//	office     what may only be done as leader, and ends with it
//	diskwatch  calls to the disk → one that is overdue
//	gag        whose disk hangs takes no part
//
// Invariants: the tree changes only by committed entries, in their order; a read
// is answered only after a majority has accepted this leader in a call sent
// after the read began; a write ends applied, not applied (ErrNotLeader,
// ErrClosed) or ErrUnknown, and unknown is never told as not applied.
//
// Every method of Agent may be called from any goroutine. After a crash, Start
// finds the directory as Raft left it: acknowledged transactions are in the logs
// of a majority and come back; a torn snapshot is refused.
//
// It knows no users.
package agency
