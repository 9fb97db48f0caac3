// Package shard keeps one replica of one shard: its documents, the log of its writes and its
// counters, in the server's engine. The server opens the shards that Plan gives it; package
// replica makes one of a shard's replicas its leader and keeps the others in step.
//
// # What it owns
//
// The engine's keys described in layout.go, whose layoutFormat is on disk with every meta value and
// log record. Documents are stored as the JSON that was sent, in its order and with its
// numbers, with _key, _id and _rev put before.
//
// # How a write comes about
//
// The leader decides what an operation does, numbers the outcome and appends it to its log.
// When the log of every in-sync replica has it (Quorum), it is committed: it is applied to the
// documents, and only then seen by readers and acknowledged. A follower appends what the
// leader sends (Accept), and applies what the leader says is committed. So a record that is
// not committed can still be taken back, and nothing that was seen ever is (PacificA: Lin et
// al., MSR-TR-2008-25). A replica that is alone does both in one batch.
//
// # Transactions
//
// What a transaction writes on a shard is decided like single operations, and staged in memory (Part). Its end is one
// record. On its home that is the decision, together with the documents. Another shard prepares first: the record has what
// is to be done, and nothing of it is seen until it is resolved by what the home has decided. What is prepared
// and what is decided are entries beside the documents (Space), so copies carry them and the log may be cut.
//
// # Parts
//
//   - storage: what the replica has in the engine, and what of it is in memory.
//   - leadership: what a leader writes under, with the outcomes that are not applied yet.
//   - incoming: the copy that is brought to the replica, beside what it has.
//   - replica: these three together; what a promise, a batch and a write do to them.
//   - doubts: what is prepared, for readers that wait, and with the locks that a new leader inherits.
//   - Shard: the methods for others, and the locks. Transactions: those for transactions.
//
// # Invariants
//
//   - Log, documents and meta change together in one engine batch. What a crash leaves is a
//     prefix of the batches.
//   - A record is named by its tenure and number. Logs that share a record share everything
//     before it. Committed records are the same on all replicas.
//   - Nothing is accepted of a tenure older than the latest one heard of (promised), and
//     nothing that no leader can have numbered (valid.go).
//   - A copy is brought beside the documents, and takes their place in one batch when it is
//     whole. Until then the replica is what it was.
//   - Writers of one key take turns while an outcome is decided and numbered, not while it is
//     replicated. A later one decides on the outcome of the earlier one, and is acknowledged
//     after it.
//   - Revisions come from the server's Clock. They increase strictly, also across restarts
//     and restores. A new leader's clock is ahead of all that the shard has.
//   - A part commits under the leadership in which it began, or not at all. A new leader has the locks of
//     what is prepared, and of nothing else.
//   - A record applied gives the same entries on every replica: a resolution has the changes that were prepared.
//   - The log is bounded (Retention). A reader that asks for more is told so.
//
// # Locks
//
// The order is: the lock table of the server (package locks), the gate, content, mu, and last the mutex of doubts. Where
// nothing is waited for, the table is used with mu held: its mutex is held for memory alone.
//
// A write takes its key in the table, and with it a share of the shard; a truncation takes the whole shard
// there. A part keeps what it takes until its transaction is over. These are the only locks that may be held for long, and that are waited for with a limit:
// 10 s for all operations of one call together, less if the client says so. So they are waited for with no
// other lock held, and not inside the gate if the holder may be a transaction (keylock.go).
//
// content (shared by operations; exclusive for drop and copies) is taken before mu. No sync and no
// Quorum is awaited under any of them: what is to be durable before it is answered is committed under the
// locks, and synced after them. Only a commit to the engine's log may wait for the disk under a lock,
// and no longer than the engine's limit. So these are locks of internal/disklock.
//
// # What it does not do
//
// It knows no gate, no epoch, no lease and no HTTP. Its caller holds the gate for writes, and
// knows that this server leads. It does not choose keys and knows no schema.
package shard
