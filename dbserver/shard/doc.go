// Package shard keeps one shard: its documents, the log of its writes and its
// counters, in the server's engine. The server (package dbserver) opens the
// shards that Plan gives it and passes them requests; replication reads the log.
//
// # What it owns
//
// The engine's keys described in layout.go, whose Format is on disk with every
// meta value and log record. Documents are stored as the JSON that was sent, in
// its order and with its numbers, _key, _id and _rev put before.
//
// # Invariants
//
//   - One write is one engine batch: data, log record and meta (position, count,
//     highest revision). Numbers are given in the order of commits. So what a crash
//     leaves is all writes up to some number, and meta agrees with it.
//   - Writers of one key take turns; writers of different keys meet only while
//     their batches go into memory and log, never while something is synced.
//   - Revisions come from the server's Clock: strictly increasing, also across
//     restarts and restores.
//   - The log is bounded (Retention); a reader that asks for more is told so.
//
// # Locks
//
// content (shared by operations, exclusive for truncate, drop, term) before the
// lock of a key before numbering. A sync waits under none but content.
//
// # What it does not do
//
// It knows no gate, no epoch and no HTTP: whoever calls it holds the gate for
// writes. It does not choose keys and knows no schema.
package shard
