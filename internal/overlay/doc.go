// Package overlay is a file system that reads from one below and writes to memory.
//
// What is created, written, renamed, linked or removed is kept in memory and is gone with the FS. The file
// system below is only asked: Open, List and Stat are all that it ever hears. So a backup can be opened,
// restored and served from its pieces, and not one bit of them changes.
//
// A link or a new name of a file below is another name in memory for the same file. It copies nothing. A file below is
// copied into memory when it is opened for writing, and only then.
//
// An FS has no goroutines. What waits for the file system below holds no mutex, so an FS whose disk hangs does not stop
// the virtual time of a bubble.
package overlay
