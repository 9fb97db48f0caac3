// Package locks is the lock table of a DB server: who has which key of which shard, and who waits
// for it.
//
// # What is locked, and by whom
//
// A resource is a key of a shard, or the shard as a whole. A key has one holder. A shard is shared by
// the owners that have keys of it, or one owner has it as a whole; then it needs no keys. An owner is a
// transaction, or a single operation (the zero Owner). What it holds, it releases at once: there is
// no way to unlock one thing.
//
// # Invariants
//
//   - The holder of a key has a stake in the key's shard. If an owner has a shard as a whole, its
//     stake is the only one.
//   - Waiters of one resource are served in the order in which they came. There are two exceptions,
//     for those that others wait for already. An owner that has a share of a shard, and wants the
//     whole, comes first. And goroutines that wait for one owner stand together.
//   - Who releases hands on: a waiter has the lock when it is woken, so no wake-up is lost and no
//     goroutine that comes later is faster. A waiter that gets its share is put into the queue of its
//     key by the one who hands it on.
//   - What is free has no entry. A shard that has no stakes is not in the table's list.
//
// # Deadlocks
//
// An edge of the wait-for graph goes from a waiter to the holders, and to those that wait before it.
// Edges begin when a wait begins, and when a waiter that has got its share goes on to the key.
// All other changes end edges: what is handed on goes to a waiter for which those behind it waited
// already. So the table looks for a cycle at these two places, and finds each at once. The wait that would
// close it is refused. The graph has all resources of the table and no more: a cycle through two servers
// ends with the limit of a wait.
//
// # Brief owners
//
// A single operation is brief when it holds its locks for no longer than memory and the disk need.
// It may hold the gate of the server meanwhile. A transaction is patient: it holds locks for as long
// as its client likes, and its commit has to pass the gate. A brief owner waits for brief
// owners only, and gets [ErrLong] instead of a wait for a patient one. By induction it waits never
// for long: its holder is brief, and those before it wait for brief ones themselves.
//
// # One mutex
//
// The whole table has one mutex, which is held for a few reads and writes of memory. Each write of the
// server takes one like it in the server's clock. All waits are channel waits.
package locks
