// Package diskhealth finds out that a disk hangs: that a write, a sync, or a change of
// a directory on it has begun and does not end. A disk that answers with an error, also
// a full one, does not hang; and a call that waits inside the engine (a write stall) is
// no operation of the disk, so it is not seen here.
//
//   - A Watch knows the unfinished operations of the file systems that it wraps (FS), and
//     how old the oldest one is. The disk hangs once that is older than the limit, and
//     until it has ended.
//   - A probe writes a small file of its own now and then, so that there is an operation
//     to look at on a server that is idle.
//
// Reads are not watched, as a cache answers them while the disk hangs; removals are not
// either, as a large file takes its time. Pebble's own wrapper (vfs.WithDiskHealthChecks)
// tells of a slow operation once and does not say when it has ended, so it does not give the
// age of the oldest one.
package diskhealth
