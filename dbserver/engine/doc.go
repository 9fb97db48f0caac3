// Package engine is the storage engine of a DB server: an ordered map from byte
// keys to byte values on disk. It is the only package that opens Pebble; the
// rest of the house sees Engine, Batch, Iterator and Snapshot.
//
// # What it owns
//
// One directory, locked while open. Keys that begin with byte 0x00 are the
// system's (SystemKey); every other key belongs to the caller. The restore epoch
// and the nonce of the restore that made the engine live among the system keys.
//
// # Invariants
//
//   - A batch is all there or not at all, also after a crash.
//   - Commit(false) answers when the batch is in the log; it is on disk at most
//     100 ms later. Commit(true) and SyncAll answer when it is on disk. What a
//     crash takes away is always a tail of the commits, never one in the middle.
//   - While the disk is full, commits under way wait, new ones are refused with
//     apierror.NoSpace, and reads go on; with space again, everything goes on.
//   - While the disk hangs (Options.Health), commits and syncs under way are given up with
//     an unknown outcome (ErrAbandoned) and new ones are refused; reads go on. What was
//     given up is done when the disk answers: until then Settled is false.
//   - Admit refuses while the oldest commit that is not on disk is older than a bound.
//   - After any other fatal error every write answers with it; Failed says so.
//
// # The cut
//
// BeginCut fixes the state that a backup will hold and returns within
// milliseconds; Cut.Wait gives the copy. It works because Pebble's Checkpoint
// first fixes its version and its list of logs under its own mutex and only then
// makes its folder. A file system wrapper holds the checkpoint at that point
// while the memtable and its log are rotated, so the logs on the list get no
// further writes. Then BeginCut returns, the caller opens its gate, and links and
// log copies follow:
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
// The copy of a log ends where the log ends, whose file may be as long as a memtable
// (cutlog.go). Tables are hard links or the cut fails: a silent copy would take disk
// space and time. Every file of the copy must be older than the new log; if a new version
// of Pebble changes the order, cuts fail and TestCutOrderInsidePebble says why.
//
// # After a crash
//
// Open replays the log. The folder of a cut that was not waited for may be there
// in part; its owner (dbserver/backup) removes it.
//
// # What it does not do
//
// It knows nothing of documents, shards, gates or backups' files, and keeps no
// writer out during a cut: that is the gate's duty.
//
// All methods are safe for concurrent use, except that a Batch or an Iterator
// belongs to one goroutine at a time.
package engine
