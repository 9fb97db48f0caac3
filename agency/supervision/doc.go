// Package supervision watches over the cluster on behalf of the agency's leader:
// it judges the servers by their heartbeats, takes the agency lock away from a
// holder that no longer renews it, and removes databases and collections whose
// creation was begun by a coordinator that did not live to finish it.
//
// The agent that leads calls Run, which works in rounds, in the caller's
// goroutine, until the leadership ends. It owns Supervision/Health (both trees) and
// Target/FailedServers; everything else it changes belongs to somebody who has
// to be dead first. Before the cluster is bootstrapped it does nothing.
//
// # Time
//
// Every period is measured on this machine's monotonic clock, from the moment at
// which this leader first saw a value. Times written by other machines are never
// compared with anything. So a change of leader starts every period anew: a lock
// may be held longer than its lease then, never shorter.
//
// # Changes
//
// Every change is one transaction whose preconditions name exactly what the
// decision was based on; if the holder renews, the server comes back, or the
// coordinator finishes at the same moment, the transaction does not apply and the
// next round looks again. So two supervisions (of a deposed leader and of the new
// one) cannot do harm together, and nothing has to be found again after a crash:
// there is no state but the agency's tree.
//
//	what                        when                                         precondition
//	health on record            the verdict differs from the record          the recorded status; in Plan
//	coordinator's rebootId +1   in the transaction that records FAILED       its rebootId
//	lock away                   value unchanged for its lease                lock and holder, exactly
//	lock without holder away    unchanged for ten minutes                    the lock, exactly; no holder
//	holder without lock away    at once                                      the holder, exactly; no lock
//	unfinished creation away    its coordinator has another rebootId         the entry, exactly; the evidence
//	                            or is FAILED
//
// A frozen Plan delays the removal of unfinished creations; the state machine
// would refuse it anyhow.
package supervision
