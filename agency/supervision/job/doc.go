// Package job decides what the supervision does for shards: it replaces failed leaders and
// followers, keeps the number of replicas, moves shards, and drains servers. A tree goes in,
// transactions come out. The package does nothing itself, and reads no clock.
//
// # From a tree to transactions
//
// Next makes one pass over one tree:
//
//	facts.Snapshot   what the tree says, read once
//	planner          decides about the jobs of one kind: begin, proceed, undo
//	reconcile        makes jobs of what Plan and Current lack
//	placement        counts what each server has, with what this pass has decided, and chooses servers
//	sink             takes the decisions: transactions with their preconditions, events and reasons
//	Memory           since when this leader of the agency has seen which values
//
// kinds lists the planners. A new kind of job is a row there and a file with its planner.
//
// # Jobs
//
// A job is a record that moves through the queues Target/ToDo, Pending, and Finished or Failed.
// Everything about it is in the tree: its record, Plan and Current. So the next leader of the
// agency goes on with it, at whatever point it was left. A job that needs one transaction is never
// pending. A pending job that needs a shard or a server to itself has its id under
// Supervision/Shards or Supervision/DBServers.
//
//	type                   what its transactions do                         what they require, beside the record
//	failedServer           children for what can be done now; the end       the server FAILED; its lock
//	failedLeader           [new, others…, old], term+1; the end             Plan, term, report; old FAILED (or see below), new GOOD, its reboot id
//	failedFollower         another server in its place; the end             Plan, term, report; old FAILED; leader and new GOOD
//	addFollower            one more server; the end                         Plan, term, report; the server GOOD and not drained
//	removeFollower         one server less, never the leader; the end       Plan, term, report; the leader GOOD
//	moveShard              the new server follows                           Plan, term; the server GOOD and not drained; the shard's lock
//	  of a follower        the old one goes; the end                        Plan, term, report; the new one's reboot id
//	  of a leader          the leader is to resign                          the same
//	                       [new, others…, old], term+1                      the same; the report says that it has stopped
//	                       the old one goes; the end                        the same; the report says that the new one serves
//	cleanOutServer         the server gets nothing new; its lock            both lists of drained servers
//	                       children for what is on it                       the record
//	                       it is clean; the end                             Plan/Version, both lists
//	resignLeadership       lock; children for what it leads; the end        the record
//	cleanUpLostCollection  the report goes; the end                         the report; not in Plan; its leader FAILED or gone
//
// To undo is a transaction like the others: a leader that was to resign stays, a replica that a
// move has added goes. What belongs to no job is put right by reconcile, which looks at Plan and
// Current alone: locks without a job, resignations that no job wants, replicas missing or too
// many, failures that a maintenance kept from having consequences. reconcile also makes the moves
// that give leaderships back after a restart (Target/ReturnLeadership).
//
// FAILED means: the status is on record, and the server's entry in ServersKnown is what it was
// when the status was recorded. A server that has started or taken a lease since may be serving.
// A leader that has not FAILED is replaced only if it has not begun to serve its term for longer
// than the grace period, and a trusted server can.
//
// Rebalancing is no job: the coordinator computes moves. Neither is the removal of a server: the
// coordinator takes a server out of Plan that is clean or unused.
//
// # The freeze
//
// While Plan is frozen no job begins or goes on. While an operation waits for the agency lock, and
// no other operation holds it, jobs that would stay pending do not begin, and those that are
// pending are set back to ToDo or end. Jobs of one transaction go on: they do not hold up the lock.
package job
