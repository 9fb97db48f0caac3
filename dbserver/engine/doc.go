// Package engine is the storage engine of a DB server: an ordered map from byte keys to
// byte values on disk. It is the only package that opens Pebble; all others use Engine,
// Batch, Iterator and Snapshot.
//
// # What it owns
//
// One directory, locked while open. Keys that begin with byte 0x00 are the
// system's (SystemGet, SystemSet); every other key belongs to the caller. The restore epoch
// and the nonce of the restore that made the engine live among the system keys.
//
// # Invariants
//
//   - A batch is there as a whole or not at all, also after a crash.
//   - Commit(false) returns when the batch is in the log; it is on disk at most 100 ms
//     later. Commit(true) and SyncAll return when it is on disk. A crash loses only a tail
//     of the commits, never one in the middle.
//   - While the disk is full, commits that run wait, new ones are refused with
//     apierror.NoSpace, and reads go on. When there is space again, the commits go on.
//   - While the disk hangs (Options.Health), commits and syncs that run are abandoned with
//     an unknown outcome (ErrAbandoned), new ones are refused, and reads go on. Abandoned
//     calls end when the disk answers: until then Settled is false.
//   - Admit refuses while the oldest commit that is not on disk is older than a bound.
//   - After any other fatal error every write returns that error, and Failed is closed.
//
// # The cut
//
// BeginCut fixes the state that a backup will hold and returns within milliseconds;
// [Cut.Wait] waits for the copy. This works because Pebble's Checkpoint first fixes its
// version and its list of logs under its own mutex and only then makes its folder. A file
// system wrapper (cutfs.go) holds the checkpoint at that point while the memtable and its
// log are rotated, so that the logs on the list get no further writes. Then BeginCut
// returns, the caller opens its gate, and links and log copies follow:
//
//	caller            checkpoint                        log
//	gate held
//	BeginCut ───────▶ fix version + list of logs        000007.log
//	                  make folder: held
//	rotate ──────────────────────────────────────────▶  000007.log closed, 000009.log
//	◀─ returns        folder made
//	gate opens        link tables, copy logs            000009.log takes new writes
//	Cut.Wait ◀─────── synced
//
// The copy of a log ends where the log ends; the log's file may be as long as a memtable
// (cutlog.go). Tables are hard links or the cut fails, because a silent copy would take
// disk space and time. Every file of the copy must be older than the new log. If a new
// version of Pebble changes the order, cuts fail and TestCutOrderInsidePebble says why.
//
// # Sums of tables
//
// The engine's file system computes the SHA-256 of tables while they are written, and package sums keeps
// them. [Cut.Sum] says what is known of the tables of a cut.
//
// # After a crash
//
// Open replays the log. The folder of a cut that was not complete may exist in part; its
// owner (dbserver/backup) removes it.
//
// # What it does not do
//
// It knows nothing of documents, shards, gates or backups' files, and keeps no writer out
// during a cut: that is the gate's duty.
//
// All methods may be called from any goroutine, except that a Batch or an Iterator belongs
// to one goroutine at a time.
package engine
