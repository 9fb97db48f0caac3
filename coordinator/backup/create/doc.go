// Package create makes a backup of the whole cluster.
//
// [Creator.Create] is the protocol, ten named steps (creation.make): acquire the agency
// lock, read Plan, have the DB servers flush, hold all gates at once, fix the cut of every
// server, open the gates and collect the evidence that they were held (then Plan thaws),
// link, check the certificate, commit, publish.
//
// Steps four to six are the global lock (globalLock): attempts in growing windows, until one
// holds every gate. One request holds each gate (holds), with beats in both directions. Writers
// queue only while an attempt lasts.
//
// The commit is one agency transaction that requires the agency lock. What happens before it is
// on the operation's undo list. After it each DB server publishes its piece, whether the
// coordinator lives or not.
//
// DESIGN.md of coordinator/backup has the proof that the backup is one instant, the table
// of steps, and what a crash leaves.
package create
