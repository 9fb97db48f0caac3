// Package gate is a DB server's transaction gate. Every write passes it shared;
// a backup takes it exclusive for the moment of its cut.
//
// # Rules
//
//   - Enter is shared. It queues while the gate is held or waited for exclusively,
//     otherwise a stream of writers could keep a backup waiting for ever.
//   - Lock is exclusive, for a nonce. It waits for the writers inside, at most
//     for its window; when the window ends the queued writers go on at once. It
//     holds for at most its lease, counted on this machine's monotonic clock from
//     the grant; then the gate opens by itself, and the nonce's Release says that
//     the hold was broken.
//   - Locks of different nonces are served in the order in which they came.
//     Writers that queue behind one lock go on before the next lock begins to
//     wait, so that no sequence of locks starves writers.
//   - Requests may be late. A nonce that was given up gets no gate any more, also if
//     its lock arrives after that.
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
