// Package backup drives the protocols of the hot backup on a coordinator:
// create, list, delete, restore and verify, and serves them under
// POST /_admin/backup/<command>.
//
// A create is ten named steps (create.go): take the agency lock, read Plan, have
// the DB servers flush, hold all gates at once, fix every server's cut, open the
// gates and collect the evidence that they were held (then Plan thaws), link, check the
// certificate, commit, publish. A restore is eight (restore.go): take the agency
// lock, collect the pieces, match the servers, stage, commit, converge, release, wait for
// the successors of leaders that have failed meanwhile.
//
// Each has one commit point, and it is one agency transaction that requires the
// nonce of the agency lock. What happens before it is kept on an undo list and
// taken back when anything fails, on a context of its own; after it nothing is
// taken back and everything rolls forward, by the DB servers and by any
// coordinator (finisher.go). When the answer to the commit is lost, commit.go
// finds out; if even that fails, the error says that the outcome is unknown and
// nothing is touched, because the agency knows and the DB servers ask it.
//
// Invariants:
//   - Work goes on only while the agency lock's lease is renewed: the context of
//     the work ends with the lease.
//   - A backup is committed only with a certificate that shows one moment at
//     which every gate was held, and which replicas had everything then, or marked as
//     potentially inconsistent for ever.
//   - One backup at a time is the agency lock's doing alone; a Service keeps no
//     state about operations, and any number of them may run and collide.
//
// After a crash of the coordinator nothing needs to be read back: gates open with
// the requests that hold them, the supervision takes the agency lock away when its lease
// ends, and every DB server removes a pending piece whose nonce holds no lock and
// is not committed. DESIGN.md has the proof and the table of steps.
//
// Not done here: a DB server's own part (dbserver/backup, dbserver/gate), the
// freeze of Plan (the agency's state machine), transfers to remote storage.
package backup
