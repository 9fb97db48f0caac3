// Package transaction runs stream transactions: many operations of a client, atomic over shards and servers.
//
// A Transaction has a part on each DB server that it has touched (dbserver/transaction). What it writes stays in the parts, and
// its locks are there, until it ends. This package knows which parts there are, ends them, and makes the one decision.
//
// # Operations
//
// A request joins its transaction ([Manager.Join]). The router (coordinator/route) then sends through [Transaction.On], which adds
// the part to each request, opens parts, counts bytes, and notes which shards have been written. What cannot go on ends the
// transaction, as aborted, with a reason: another leader for a shard that it has touched, a part that its server has lost, a write
// whose answer is lost, and a restore. No request is sent again to another server than before.
//
// # Commit
//
// With writes on one shard, that shard decides, in one step. With writes on several: enter the gates of all servers that were
// written to, or of none; prepare all shards but one, the home; decide at the home, which is the commit; answer the client; tell
// the others, and drop the decision when all of them have it on disk. Before the decision is asked for, whatever fails aborts. From
// then on nothing does but the home itself, which is asked when its answer is lost, until it tells.
//
//	running ──→ committing ──→ committed
//	   ↑ │           │ │ └───→ unknown ──→ committed, aborted
//	   │ └→ aborted ←┘ │
//	   └─ gate closed ─┘
//
// A transaction whose client waits no longer at a closed gate goes on living, and its commit may be repeated. Nothing else is done
// in it then: parts that have only read have been ended.
//
// # Ends
//
// A transaction that has not been used for some time is aborted. So are all when the coordinator stops; what is decided is finished
// first. If a coordinator dies, DB servers end its parts, and shards that have prepared ask the home. Transactions that have ended
// are known for some minutes, at most so many.
//
// Any goroutine may use a Manager. Every wait is on a channel and ends with its context; no mutex is held during a request.
package transaction
