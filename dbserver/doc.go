// Package dbserver is one DB server: it starts, connects and stops the parts that do the
// work. Start one with Start; coordinators talk to it through package dbserver/client.
// DESIGN.md has the promises, the on-disk layout, and what a restart finds.
//
// # Parts
//
// Each part is a package with one reason to exist:
//
//   - lease: the serving lease, renewed by heartbeats.
//   - api: the HTTP requests.
//   - reconcile: follows Plan, and reports to Current.
//   - hosting: opens the engine of the cluster's epoch, and exchanges it after a restore.
//   - store: the open engine with its replicas, and the admission of requests to it.
//   - pieces: publishes, removes and stages pieces as the agency says.
//   - transaction: the parts of transactions, what they hold here, and what becomes of them.
//   - gate: holds up writers while a backup makes its cut.
//   - replica, shard, engine: replication, one replica, and Pebble.
//   - backup, transfer: pieces as files, uploads and downloads.
//   - diskhealth: finds out whether the disk hangs.
//
// # Goroutines
//
//   - Request handlers reach the open data through store.Access. They never see an engine
//     that is being closed.
//   - The reconciler, one goroutine, compares the agency's tree with this server. Between
//     Start and Close it alone opens and closes the engine.
//   - Heartbeats go out every second, whatever the others do. If the disk hangs they say so,
//     and renew no lease.
//
// # Invariants
//
//   - Every write is inside the gate from before anything of it can be seen until it is
//     committed, and synced if that was asked for.
//   - A request runs on the data of the epoch that it names, or is refused.
//   - Plan is followed only while the cluster's epoch is the open engine's.
//   - Pieces and staged restores are published, swapped in or removed as a linearizable read
//     of the agency says; the cache only says when to look.
package dbserver
