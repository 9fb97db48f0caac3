// Package lock is the agency lock, with which backups and restores exclude each other.
//
// A Locker acquires the lock for an operation with one agency transaction. It writes
// Target/HotBackup/Create and, beside it, Holder with the operation's nonce. While the lock
// exists and its holder has not thawed Plan, the agency's state machine refuses every
// transaction that touches Plan. If another operation holds the lock, or a job of the
// supervision is pending, the Locker announces that it waits, so that the supervision begins no
// more jobs, and waits until a deadline.
//
// A Lock is a lock that is held. It renews its lease in the background. The context that Acquire
// returns ends when the lock is lost. Thaw, Rename and Commit require in their transactions that
// the lock is still this one (Precondition). Commit is the commit point of an operation. If its
// answer is lost, it finds out whether it was applied.
//
// Invariants: no work goes on in Acquire's context under a lost lock; only the nonce that
// acquired the lock releases it; after a Commit whose outcome is unknown the operation undoes
// nothing.
//
// After a crash of the coordinator nothing renews the lease, and the supervision removes
// the lock. An announcement has a time to live.
package lock
