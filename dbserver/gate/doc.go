// Package gate is a DB server's transaction gate. Every write passes it shared;
// a backup takes it exclusive for the moment of its cut.
//
// # Rules
//
//   - Enter is shared. It queues while the gate is held or waited for exclusively,
//     otherwise a stream of writers could keep a backup waiting for ever.
//   - Lock is exclusive, for an attempt of a nonce. It waits for the writers inside, at
//     most for its window; when the window ends the queued writers go on at once.
//   - Waiting and holding, it needs a Beat within its Silence: without one it ends, and a
//     gate that it held opens by itself. The lease bounds a hold with beats too. Both are
//     counted on this machine's monotonic clock. The Release says that the hold was
//     broken, and why.
//   - Locks of different nonces are served in the order in which they came.
//     Writers that queue behind one lock go on before the next lock begins to
//     wait, so that no sequence of locks starves writers.
//   - Requests may be late. Attempts are counted: one that is not newer than the newest
//     that was seen gets no gate, a newer one ends an older one, and a release is of one
//     attempt. A nonce that was given up gets no gate any more.
//   - The time that writers queue is dead time; it is counted for the nonce
//     behind which they queued, over all its attempts, until its Release.
//
// Readers never pass the gate, and neither do replicated writes on a follower:
// their leader holds its own gate.
//
// The gate is memory only: after a crash it is open, and the server that lost it
// answers a nonce it does not know with apierror.GateLost.
//
// All methods may be called from any goroutine.
package gate
