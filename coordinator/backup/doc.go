// Package backup is the hot backup on a coordinator: its commands, served under
// POST /_admin/backup/<command>, and its background work.
//
// A Service puts the commands together. Each command is a package of its own, and no command
// knows another:
//
//   - create and restore are protocols of several steps under the agency lock. Each has one
//     commit point: an agency transaction that requires the lock. What they do before it is
//     undone if anything fails; after it everything is completed.
//   - remove (delete), list and verify need no lock.
//   - transfer runs uploads and downloads as jobs in the agency.
//
// They share a common layer:
//
//   - lock, the agency lock: acquiring and waiting, the lease, the commit under it.
//   - fanout, which asks all DB servers at once.
//   - topology, the cluster as the agency describes it, now and at the time of a backup.
//   - piece, the pieces of one backup put together. The evidence that they are one instant,
//     and its check, are in client/certificate.
//   - operation, what a create and a restore have in common (events, undo, stopwatch), and
//     the contexts that end with the service; backupid, ids and nonces.
//
// Start with create.Creator.Create and read down. DESIGN.md has the proof that a backup is
// one instant, the tables of steps, and what a crash leaves.
//
// Invariants:
//   - Work under the agency lock goes on only while its lease is renewed.
//   - A backup is committed only with a certificate that shows one moment at which every gate
//     was held, and which replicas had every acknowledged write then. Otherwise it is marked
//     as potentially inconsistent for ever.
//   - The agency lock alone keeps operations apart. A Service keeps no state about them.
//
// After a crash of the coordinator nothing needs to be read back. Gates open with the requests
// that hold them. The supervision removes the agency lock when its lease ends. Every DB server
// removes a pending piece whose nonce holds no lock and is not committed.
//
// A DB server's own part is in dbserver/backup and dbserver/gate; the freeze of Plan is in the
// agency's state machine (fsm).
package backup
