// Package job decides what the supervision does for shards: failover, replicas
// lost and missing, moves, servers to be emptied. A tree goes in, transactions come
// out; nothing is done here, and no clock is read. The one memory is a Watch, which
// only ever makes a decision later.
//
// # Jobs
//
// A job is a record that moves from Target/ToDo to Pending to Finished or Failed.
// Everything about it is in the tree: its record, Plan and Current. So whoever leads
// the agency next goes on with it, at whatever point it was left. Those that need one
// transaction are never pending. A pending one that needs a shard or a server
// for itself has its id under Supervision/Shards or Supervision/DBServers.
//
//	type                 what its transactions do                            what they are based on, beside the record
//	failedServer         children for what can be done now; the end          the server FAILED; its lock
//	failedLeader         [new, others…, old], term+1; the end                Plan, term, report; old FAILED (or see below), new GOOD, its reboot id
//	failedFollower       another server in its place; the end                Plan, term, report; old FAILED; leader and new GOOD
//	addFollower          one more server; the end                            Plan, term, report; the server GOOD and not leaving
//	removeFollower       one server less, never the leader; the end          Plan, term, report; the leader GOOD
//	moveShard            the new server follows                              Plan, term; the server GOOD and not leaving; the shard's lock
//	  of a follower      the old one goes; the end                           Plan, term, report; the new one's reboot id
//	  of a leader        the leader is to resign                             the same
//	                     [new, others…, old], term+1                         the same; the report says that it has stopped
//	                     the old one goes; the end                           the same; the report says that the new one serves
//	cleanOutServer       the server gets nothing new; its lock               both lists of servers
//	                     children for what is on it                          the record
//	                     it is clean; the end                                Plan/Version, both lists
//	resignLeadership     lock; children for what it leads; the end           the record
//	cleanUpLostCollection  the report goes; the end                          the report; not in Plan; its leader FAILED or gone
//
// An undo is a transaction like the others: a leader that was to resign stays, a
// replica that a move has added goes. What is in no job (locks without one, a
// resignation that nobody wants, replicas missing or too many, failed servers after a
// maintenance) is put right by heal, which looks at Plan and Current alone. It also makes
// the moves that give leads back which were given away for a restart
// (Target/ReturnLeadership).
//
// FAILED means: the record says so, and the server's ServersKnown is what it was when
// that was recorded. A server that was started or took a lease since may be serving.
// A leader that has not FAILED is replaced only when it has not begun to serve
// its term for longer than the grace period, and somebody trusted can.
//
// Rebalancing is no job: the coordinator computes moves. Removing a server is none
// either: the coordinator takes one out of Plan that is clean or unused.
//
// # The freeze
//
// While Plan is frozen nothing is begun and nothing goes on. While an operation waits for
// the agency lock, and no other one holds it, what would stay pending is not begun, and what
// is pending is set back to ToDo or ends; jobs of one transaction go on, for they are no obstacle.
package job
