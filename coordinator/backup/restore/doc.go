// Package restore brings the whole cluster back to a backup.
//
// [Restorer.Restore] is the protocol: acquire the agency lock, collect the pieces, match the
// servers, have each server stage its piece, commit. The commit is one agency transaction that
// sets Plan and Current and raises the restore epoch. Before it everything is undone if anything
// fails. After it the DB servers complete the restore, and Restore only waits: until all of them
// serve the new epoch, the other coordinators have seen it, and other servers lead the shards of
// leaders that have FAILED.
//
// plan.go and reports.go make the restore plan. They are pure functions that rewrite the stored
// Plan for the servers of today, and record which replicas were in sync at the cut.
//
// Recovery runs on every coordinator. It releases the lock of a committed restore whose
// coordinator has died, and deletes the failsafe backups of earlier restores once that of the
// last one is whole.
//
// DESIGN.md of coordinator/backup has the table of steps, and what a crash leaves.
package restore
