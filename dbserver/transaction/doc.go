// Package transaction has a DB server's parts of transactions: what each has here, which locks and which passage of the gate
// it holds, and what becomes of it when nobody says so any more.
//
// # The problem
//
// A transaction is led by a coordinator, which may die at any step, and concerns several servers, each of which may die, lose
// a shard to another leader, or change its data. It must commit everywhere or nowhere. Nothing of it may be left for ever:
// no lock, no place at the gate, no memory.
//
// # Rules
//
//   - A part is open, and then its shards are prepared or decided. What is open is given up by anyone who has a reason: its
//     coordinator, the silence of its coordinator, a backup with force, the end of a leadership. What is prepared is given up
//     by nobody but the transaction's home shard.
//   - A part holds its locks and its places at the gate until no request is at work in it and none of its shards is prepared. Then
//     it releases everything at once.
//   - The gate is held from before a shard is prepared until that is resolved and applied, on every server by itself. A leader
//     that finds prepared transactions in its log holds its gate for them before it serves ([Ledger.Inherit]).
//   - A decision is made by the part, with its token, on the home shard. Who asks there with Abandon, and finds none, ends the part:
//     after that answer none can come. A leader that has no part has no decision to come either.
//   - A shard that has prepared asks the home by itself (doubt.go). A home that has decided tells the others by itself (duty.go).
//   - What has ended is remembered with its reason for some minutes, and no more than a fixed number.
//
// # Locks of this package
//
// The mutexes are held for memory alone: never for a shard, a wait or the network. A part has a turn, which one request at a time
// takes by a channel. Who ends a part takes the turn if it is free, and releases what the part has; otherwise the
// one who is at work does it when it gives the turn back.
package transaction
