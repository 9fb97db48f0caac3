// Package supervision watches over the cluster on behalf of the agency's leader:
// it judges the servers by their heartbeats, does the jobs that follow from that or
// that somebody asks for, takes the agency lock away from a holder that no longer
// renews it, and removes databases and collections whose creation was begun by a
// coordinator that did not live to finish it. Its DESIGN.md says why it is right.
//
// The agent that leads calls Run, which works in rounds, in the caller's
// goroutine, until the leadership ends. It owns Supervision (both trees) but for
// Maintenance, Target/FailedServers, Target/Pending, Finished and Failed, and it
// alone changes the servers of existing shards, but for restores. Before the cluster
// is bootstrapped it does nothing, and in maintenance it only says so.
//
// # Time
//
// Every period is measured on this machine's monotonic clock, from the moment at
// which this leader first saw a value. Times written by other machines are never
// compared with anything, but for the ends of maintenances. So a change of leader
// starts every period anew: a lock may be held longer than its lease then, never shorter.
//
// # Changes
//
// Every change is one transaction whose preconditions name exactly what the
// decision was based on; if the holder renews, the server comes back, or the
// coordinator finishes at the same moment, the transaction does not apply and the
// next round looks again. So two supervisions (of a deposed leader and of the new
// one) cannot do harm together, and nothing has to be found again after a crash:
// there is no state but the agency's tree. What was decided, and why, is added to
// Supervision/Events in the same transaction.
//
//	what                        when                                         precondition
//	mode on record              Maintenance is set, over or removed          the mode, and Maintenance, exactly
//	grace period on record      it differs from the configured one           both periods on record, exactly
//	the longer one away         it has passed once                           the same
//	health on record            the verdict differs from the record          the recorded status; in Plan
//	FAILED, of a DB server      the same, or the record is outdated,         the same; ServersKnown as before the
//	                            or it says that its disk hangs               heartbeats were read; LatestID
//	                            (with a job failedServer)
//	coordinator's rebootId +1   in the transaction that records FAILED       its rebootId
//	server maintenance          Target's differs from Current's, or is over  what is in Target, exactly
//	lock away                   value unchanged for its lease                lock and holder, exactly
//	lock without holder away    unchanged for ten minutes                    the lock, exactly; no holder
//	holder without lock away    at once                                      the holder, exactly; no lock
//	unfinished creation away    its coordinator has another rebootId         the entry, exactly; the evidence
//	                            or is FAILED
//	jobs                        see package job                              see package job
//
// A frozen Plan delays jobs and the removal of unfinished creations; the state
// machine would refuse them anyhow.
package supervision
