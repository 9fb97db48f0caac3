// Package fsm is the agency's replicated key tree: the state machine that every agent runs, without
// disk, network, clock, goroutine or log output.
//
// A Machine owns the current State and moves it on by Apply. The caller replicates encoded
// Commands, applies them in the same order everywhere, and stops when one cannot be decoded. A State
// never changes: a write makes a new one that shares all but the changed path with the old one. So a
// snapshot is a pointer, a reader never waits for a writer, and one write costs
// O(depth · log children). Watchers follow the log of Entries with Replay.
//
// # Invariants
//
//   - Apply is a function of State and Command alone. Time enters as Command.Time. The same commands
//     give the same snapshot, byte for byte.
//   - The index rises by one with each applied transaction, and with nothing else. A transaction is
//     applied whole or changes nothing.
//   - Plan is frozen while the agency lock (/arango/Target/HotBackup/Create) exists and its holder has
//     not thawed Plan (…/Holder/thawed repeats the lock's value). Then no transaction and no expiry
//     changes anything at, below or above /arango/Plan, except a transaction whose preconditions show
//     the nonce of the lock's holder. So the freeze begins with the index that wrote the lock, and
//     ends with the index that thawed Plan or deleted the lock.
//   - A transaction that has a limit leaves no tree that is heavier than the limit, unless the tree
//     was as heavy before. The limit is part of the command, so a log without limits is applied as it
//     always was. Weights are kept up with every change, and are functions of the value.
//   - No value lies deeper than 200 levels, and every number has one representation, so equal values
//     are equal bytes.
//   - Replaying the log from any State gives the tree of any later one.
//
// A client id does not deduplicate: every transaction that carries it is applied, and Inquire names
// the latest in the log.
//
// A value with a time to live is no longer seen once it is over: neither by transactions, nor by
// readers who ask [State.AsOf]. It is taken out of the tree together with the next applied transaction,
// whose Entry lists it.
//
// # Use
//
// Apply and Reset need one caller at a time. State, and everything reached from one, may be used from
// any goroutine. After a crash the caller reads the last snapshot with [ReadState], gives it to Reset
// and applies the commands after it. Both formats are numbered and have a checksum.
//
// The package does not decide which agent leads, keeps nothing on disk and calls no observers; it
// keeps their registrations.
//
// # Files, from the top
//
//	machine                                    applies commands
//	run, limit, holder                         whether and how one transaction applies
//	command, transaction                       what is replicated, and how it is read
//	snapshot, restore                          a State as bytes
//	replay, calls, read, ahead                 what watchers, observers, readers and recoveries need
//	state, entry, contents                     one index: the tree, what expires, who observes, the log
//	operation, precondition, effect, expiry, observer, freeze
//	                                           what a transaction can do and require
//	attributes, parse, parse_elements          JSON text
//	node, array, marshal, weight, path, ordered
//	                                           the immutable values
package fsm
