// Package lease is a DB server's serving lease: its right to serve as a leader without having
// heard a quorum of the agency. The server renews it by the answers to its heartbeats.
//
// # The problem
//
// The supervision names another leader when it has heard no heartbeat for a grace period. A
// server that is cut off must stop serving before that, or two leaders answer for one shard.
// No clocks of two machines can be compared, so the argument uses lengths of time only.
//
// # Rules
//
//   - An answer to a heartbeat says that the agency's leader, which was one after it had the
//     heartbeat, counts the grace period from it or from later. So no verdict on this server
//     falls before the heartbeat was sent plus the grace period, as long as the lease before
//     had not ended when the answer came. The lease lasts 0.7 grace periods from the sending.
//   - If it had ended, a verdict may be on its way that was reached before the heartbeat. The
//     server raises a counter by a replicated write. Verdicts name the counter that they were
//     reached with, so a verdict on its way comes to nothing. Then the server waits until its
//     cache has that write and its leaders have been told what Plan says: so it knows what
//     was decided while it had no lease.
//   - Times are of this machine's Clock alone. It should go on while the machine is suspended.
//     If the time of day says that it did not, or if the time of day was set, the lease is
//     given up, and taken again like one that has ended.
//
// The lock lease of backups is another lease; package coordinator/backup/lock has it.
package lease
