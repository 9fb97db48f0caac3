// Package replica makes one of a shard's replicas its leader: it brings the leader's
// log to the followers, says when a record is committed, and keeps the in-sync set.
// The replicas' logs and documents are package shard's; what a follower does is there
// (Accept). The scheme is PacificA's (Lin et al., MSR-TR-2008-25): primary and
// backups, their configuration kept by consensus, here by the agency.
//
// # A tenure
//
// The server starts a Leader when Plan names it the leader of a shard in a term. One
// goroutine takes it through its phases:
//
//	recovering   asks the in-sync replicas to promise this tenure and where they
//	             stand, and takes over the longest log
//	joining      feeds the followers, and reports itself and those that have all of
//	             its log to Current
//	serving      the report is written, and with it the log is committed: operations
//	             are let in, under the lease
//	resigning    Plan asks it to stop: nothing new is let in, what is under way ends
//	resigned     that is reported to Current; a successor may be named
//
// # Who has to have a record
//
// A record is committed when this replica and everybody whom Current's report names
// has it in the log. required is never less than that: a follower is required before
// the report that takes it in is sent, and until the report that takes it out is
// known to be written. That goes for what a new leader finds in its log, too: it may be
// taken back as long as somebody who does not have it could be chosen. A report's precondition is the term in Plan; naming another
// leader has the report as its precondition. So a leader that was replaced cannot
// shrink the set that its successor was chosen from, and cannot commit alone.
//
// # Who may be believed
//
// The report has the reboot id for which each member is in sync. A server that was
// started anew since has another one; it may have lost the last, unsynced records
// it acknowledged, and does not count until it has been caught up and reported again.
// A recovering leader goes on when it knows that some log it has seen has every
// acknowledged record: its own or that of another member, unchanged since the report;
// or when every member that the supervision has not given up has answered.
//
// # Following
//
// A follower that lacks records gets them from the log; one that the log no longer
// reaches gets a copy of the documents while writes go on, and the log from there. A copy
// takes the place of all that the follower has: it begins only when no report that takes the
// follower in can stand in Current.
// One that does not answer for Timing.Silent leaves the in-sync set, and comes back
// when it has caught up.
//
// # Who is obeyed
//
// A Follower does not know who sends a request. It obeys a tenure that Plan has, of another
// server, and whose promise it has given; it looks at Plan's tree before the promise, and
// asks the agency where its cache may be behind. It checks records before they are stored,
// and takes no copy while Current may count on what it has. See admission.go.
package replica
