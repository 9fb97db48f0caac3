// Package supervision watches over the cluster on behalf of the agency's leader. It judges the
// servers by their heartbeats, does the jobs that follow from that or that are asked for, takes the
// agency lock away from a holder that no longer renews it, and removes databases and collections
// that their coordinator did not live to finish. Its DESIGN.md says why it is right.
//
// The agent that leads calls Run, which works in passes, in the caller's goroutine, until the agent
// stops leading. The supervision owns Supervision (in both trees, except for Maintenance),
// Target/FailedServers, Target/Pending, Finished and Failed. It alone changes the servers of
// existing shards, except for restores. Before the cluster is bootstrapped it does nothing, and in
// maintenance it only says so.
//
// # Time
//
// Every period is measured on this machine's monotonic clock, from the moment at which this leader
// first saw a value. Times that other machines wrote are compared with nothing, except for the ends
// of maintenances. So every period begins again with a change of leader: a lock may then be held
// longer than its lease, never shorter.
//
// # Changes
//
// Every change is one transaction. Its preconditions name exactly what the decision was based on. If
// the holder renews, the server comes back, or the coordinator finishes at the same moment, the
// transaction does not apply, and the next pass looks again. So two supervisions (of a deposed
// leader and of the new one) cannot do harm together, and nothing has to be found again after a
// crash: the agency's tree is the only state. What was decided, and why, is added to
// Supervision/Events in the same transaction.
//
//	what                          when                                      precondition
//	mode on record                Maintenance is set, over or removed       the mode, and Maintenance, exactly
//	grace period on record        it differs from the configured one        both periods on record, exactly
//	the longer one removed        it has passed once                        the same
//	health on record              the verdict differs from the record       the recorded status; in Plan
//	FAILED, of a DB server        the same, or the record is outdated,      the same; ServersKnown as before the
//	                              or it says that its disk hangs            heartbeats were read; LatestID
//	                              (with a job failedServer)
//	coordinator's rebootId +1     in the transaction that records FAILED    its rebootId
//	server maintenance            Target's differs from Current's, or is    what is in Target, exactly
//	                              over
//	lock removed                  value unchanged for its lease             lock and holder, exactly
//	lock without holder removed   unchanged for ten minutes                 the lock, exactly; no holder
//	holder without lock removed   at once                                   the holder, exactly; no lock
//	unfinished creation removed   its coordinator has another rebootId      the entry, exactly; the evidence
//	                              or is FAILED
//	jobs                          see package job                           see package job
//
// A frozen Plan delays jobs and the removal of unfinished creations; the state machine would refuse
// them.
package supervision
