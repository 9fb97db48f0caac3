// Package dbserver is one DB server: its life, its HTTP interface and its
// following of Plan. Start one with Start; coordinators talk to it through package
// dbserver/client. DESIGN.md has the on-disk layout and what a restart finds.
//
// # What it owns
//
// The data directory (package internal/datadir), and in it the engine with the
// shards, and the pieces of backups. The rooms: engine (Pebble), shard (documents
// and their log), gate (writers against backups), backup (pieces, stage and swap).
//
// # Who does what
//
//   - Request handlers pass through access to reach the open data. They never see
//     an engine that is being closed.
//   - The follower, one goroutine, compares the agency's tree with this server and
//     carries out the difference: shards, reports to Current, pending pieces, a new
//     restore epoch. Between Start and Close it alone opens and closes the engine.
//   - Heartbeats go out every second, whatever the others do. They say so when the disk
//     hangs (package diskhealth), and renew no lease then.
//
// # Invariants
//
//   - Every write is inside the gate from before anything of it can be seen until
//     it is committed, and synced if that was asked for.
//   - A request is carried out on the data of the epoch that it names, or refused.
//   - Plan is followed only while the cluster's epoch is the open engine's.
//   - Pieces and staged restores are published, swapped in or removed as a
//     linearizable read of the agency says; the cache only says when to look.
//
// # Answers
//
// A write that is refused (gate, epoch, starting, stopping) was not applied. A
// lost connection and an internal error mean: unknown. A list of operations that
// ends half way answers for what was done and refuses the others one by one.
package dbserver
