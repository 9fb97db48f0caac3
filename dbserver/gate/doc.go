// Package gate is a DB server's transaction gate. Every write passes it shared; a backup takes
// it exclusively for the moment of its cut, so that no write is in flight then.
//
// # The problem
//
// While a backup holds the gate, writers wait. The coordinator may die, stand still, or be cut
// off in that time, and its requests may come late or twice. The gate must open by itself soon
// after, and the release must say whether a hold had no break: a cut made under a broken
// hold is not one instant.
//
// # Rules
//
//   - Enter is shared. It queues while a lock holds the gate or waits for it. Otherwise a
//     stream of writers could keep a backup waiting for ever.
//   - Lock is exclusive, for an attempt of a nonce. It waits for the writers inside, at most
//     for its window; when the window ends the queued writers go on at once.
//   - While it waits and holds, a Lock needs a Beat within its Silence. Without one it ends,
//     and a gate that it held opens. The lease bounds a hold with beats, too. Both are counted
//     on this machine's monotonic clock. Release says that the hold was broken, and why.
//   - Operations have a class (Writer, Committing, Open) and locks a mode. A lock in mode
//     Transactions waits for all that are inside and holds up all. One in mode Commits does not
//     wait for open transactions, nor holds them up: nothing of them is in an engine. While a
//     lock in mode Transactions waits, a transaction that is open inside may commit. Otherwise
//     each would wait for the other.
//   - An operation waits at the gate until its own time is over. Then it is refused, and the
//     error names the backup.
//   - Locks of different nonces have their turns in the order in which they came. Writers that
//     queue behind one lock go on before the next lock has its turn.
//   - Requests may be late. Attempts are counted: an attempt that is not newer than the newest
//     that was seen gets no gate, a newer one ends an older one, and a release is of one
//     attempt. A nonce that was given up gets no gate any more.
//   - The time that operations queue is dead time. It is counted for the nonce behind which they
//     queued, by class, over all its attempts, until its Release.
//
// Readers never pass the gate, and neither do replicated writes on a follower: their leader
// holds its own gate.
//
// The gate is in memory only. After a crash it is open, and the server answers a nonce that it
// does not know with apierror.GateLost.
//
// All methods may be called from any goroutine.
package gate
