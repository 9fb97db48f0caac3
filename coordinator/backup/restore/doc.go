// Package restore brings the whole cluster back to a backup.
//
// Restorer.Restore is the protocol, step by step: acquire the agency lock, collect the
// pieces, match the servers, have each stage its piece, commit. The commit is one agency
// transaction that sets Plan and Current and raises the restore epoch. Before it everything
// is undone if anything fails; after it the DB servers roll forward by themselves, and
// Restore only waits for them: until they have changed, the other coordinators know, and
// others lead the shards of leaders that have FAILED.
//
// plan.go and reports.go are the restore plan: pure functions that rewrite the stored Plan
// for the servers of today, and write down who was in sync at the cut.
//
// Recovery runs on every coordinator. It releases the lock of a committed restore whose
// coordinator is gone, and deletes the failsafe backups of earlier restores once that of
// the last one is whole.
//
// DESIGN.md of coordinator/backup has the table of steps, and what a crash leaves.
package restore
