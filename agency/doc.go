// Package agency is one agent: a Raft node that replicates the key tree of package fsm, and the
// HTTP interface around it. DESIGN.md beside this file argues why it is right; start there.
//
// It is for programs that run an agent: the launcher, and clusters in one process. All others talk
// to agents over HTTP, through agency/client.
//
// An agent owns its data directory (package store), its one listening port (package port), and
// every goroutine that it starts. This package puts the parts together (start.go), does what
// Raft's notices and the disk require (lead.go, hang.go), and stops everything (agent.go). Each
// part is a package of its own:
//
//	port         one listener → streams of Raft, HTTP connections
//	api          HTTP → envelopes → answers; statuses, redirects
//	asyncjob     answers that are fetched later
//	answer       large answers, a few at a time
//	proposer     envelopes → Raft entries, few in flight at a time
//	readindex    readers → one confirmation of leadership for all that wait
//	leadership   what may only be done as leader, and ends with it
//	observer     callbacks to those who observe a path
//	member       who belongs to the agency; learners become voters
//	learner      an agent that starts with nothing does not vote
//	founding     agents that all have nothing become one agency
//	joining      an agent that has started is brought to its place
//	origin       which agency this is; strangers are refused
//	tree         Raft entries → fsm, outcomes, who waits for a change
//	quota        how heavy the tree may become
//	raftnode     Raft itself: its start, its settings, its end
//	transport    Raft's calls, and which peers accept this leader
//	validation   what other agents send is checked before Raft has it
//	fence        an agent whose disk hangs takes no part
//	store        Raft's log, votes and snapshots on disk
//	recovery     offline: an agency is made of one disk, or of a snapshot
//
// Invariants: the tree changes only by committed entries, in their order. A read is answered only
// after a majority has accepted this leader in a call that was sent after the read began. A write
// ends applied, not applied, or with an unknown outcome, and unknown is never reported as not
// applied (package outcome).
//
// Every method of Agent may be called from any goroutine. After a crash, Start finds the directory
// as Raft left it: acknowledged transactions are in the logs of a majority and come back. It knows
// no users: access control is left to the network.
package agency
