// Package replica replicates a shard: it makes one replica the leader, brings the leader's
// log to the followers, decides when a record is committed, and keeps the in-sync set.
// Package shard has the replicas' logs and documents. The scheme is PacificA's (Lin et al.,
// MSR-TR-2008-25): a primary and its backups, whose configuration is kept by consensus, here
// by the agency.
//
// # A tenure
//
// The server starts a Leader when Plan names it the leader of a shard in a term. One
// goroutine takes the Leader through its phases:
//
//	recovering   it asks the in-sync replicas to promise this tenure and to say where they
//	             stand, and takes over the longest log
//	joining      it feeds the followers, and reports itself and the followers that have all
//	             of its log to Current
//	serving      the report is written, and with it the log is committed: operations are let
//	             in while the server has its serving lease
//	resigning    Plan asks it to stop: it lets no new operation in, and those in flight end
//	resigned     that is reported to Current; a successor may be named
//
// # Parts
//
// Leader is the life cycle and the phases. Its parts share one state and no more:
//
//   - recovery makes the longest log this replica's, before it leads.
//   - feeds bring each follower records or a copy, and note its progress.
//   - committer commits what all required replicas have, and answers writers.
//   - inSyncSet decides which followers are in sync, and reports that to Current.
//
// A Follower is the other end of a Leader's calls; admission judges which tenures it obeys.
//
// # Which replicas must have a record
//
// A record is committed when the leader and every server that Current's report names has it
// in the log. The set of required followers is never smaller than that: a follower becomes
// required before the report that takes it in is sent, and stays required until the report
// that takes it out is known to be written. The same holds for what a new leader finds in
// its log: the record may be taken back as long as a replica that lacks it could be chosen.
//
// A report's precondition is the term in Plan, and naming another leader has the report as
// its precondition. So a leader that was replaced cannot shrink the set from which its
// successor was chosen, and cannot commit alone.
//
// # Which logs are trusted
//
// The report has the reboot id for which each member is in sync. A server that was started
// again has another one. It may have lost the last records that it acknowledged without a
// sync, so it is not trusted until it has caught up and is reported again.
//
// A recovering leader goes on when it knows that one of the logs it has seen has every
// acknowledged record: its own or that of another member, unchanged since the report; or
// when every member that has not FAILED has answered.
//
// # Following
//
// A follower that lacks records gets them from the log. One that the log no longer reaches
// gets a copy of the documents while writes go on, and the log from there. A copy takes the
// place of everything that the follower has, so it begins only when no report that takes the
// follower in can stand in Current. A follower that does not answer for Timing.Silent leaves
// the in-sync set, and comes back when it has caught up.
//
// # Which tenures are obeyed
//
// A Follower does not know the sender of a request. It obeys a tenure that Plan has, that
// another server leads, and that it has promised. It looks at Plan before it promises, and
// asks the agency where its cache may be behind. It checks records before it stores them,
// and takes no copy while Current may count on what it has. See admission.go.
package replica
