// Package lock is the agency lock, by which backups and restores exclude each other.
//
// A Locker acquires the lock for an operation: one agency transaction that writes
// Target/HotBackup/Create and, beside it, Holder with the operation's nonce. While the
// lock is there, and its holder has not thawed Plan, the agency's state machine refuses
// every transaction that touches Plan. If another operation holds the lock, or a job of
// the supervision is pending, the Locker announces that it waits, so that the supervision
// begins no more jobs, and waits until a deadline.
//
// A Lock is the lock, held. It renews its lease in the background; the context that
// Acquire returns ends when the lock is lost. Thaw, Rename and Commit require in their
// transactions that the lock is still this one (Precondition). Commit is the commit point
// of an operation, and finds out what became of it if the answer is lost.
//
// Invariants: nothing goes on in Acquire's context under a lost lock; only the nonce that
// acquired the lock releases it; after a Commit whose outcome is unknown the operation
// undoes nothing.
//
// After a crash of the coordinator nothing renews the lease, and the supervision removes
// the lock. An announcement has a time to live.
package lock
