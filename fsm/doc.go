// Package fsm is the agency's replicated key tree: the state machine that every
// agent runs, without disk, network, clock, goroutine or log output.
//
// A Machine owns the current State and moves it on by Apply. The caller
// replicates encoded Commands, applies them in the same order everywhere, and
// stops when one cannot be decoded. A State never changes: a write makes a new
// one that shares all but the changed path with the old, so a snapshot is a
// pointer, a reader never waits for a writer, and one write costs O(depth · log
// children). Watchers follow the log of Entries with Replay.
//
// Invariants:
//
//   - Apply is a function of State and Command alone. Time enters as
//     Command.Time; the same commands give the same snapshot, byte for byte.
//   - The index rises by one per applied transaction and by nothing else. A
//     transaction is applied whole or changes nothing.
//   - While the agency lock (/arango/Target/HotBackup/Create) exists, and its holder
//     has not thawed Plan (…/Holder/thawed repeats the lock's value), no
//     transaction and no expiry changes anything at, below or above
//     /arango/Plan, except by a transaction whose preconditions show the nonce
//     of the lock's holder. So the freeze begins with the index that wrote the
//     lock, and ends with the index that thawed Plan or deleted the lock.
//   - A transaction that has a limit leaves no tree that is heavier than the limit, unless
//     the tree was as heavy before. The limit is part of the command: what a
//     log without limits says is applied as it always was. Weights are kept up with
//     every change, and are functions of the value.
//   - No value lies deeper than 200 levels, and every number has one
//     representation, so equal values are equal bytes.
//   - Replaying the log from any State gives the tree of any later one.
//
// A client id is no deduplication key: every transaction that carries it is
// applied, and Inquire names the latest in the log.
//
// Values with a time to live are no longer seen by transactions once it is over,
// nor by readers who ask State.AsOf. They are taken out of the tree together with the
// next applied transaction, whose Entry lists them.
//
// Apply and Reset need one caller at a time. State, and everything reached from
// one, may be used from any goroutine. After a crash the caller reads the last
// snapshot by ReadState, gives it to Reset and applies the commands after it;
// both formats are numbered and checksummed.
//
// The package does not decide who is leader, does not keep anything on disk and
// does not call observers; it keeps their registrations.
package fsm
