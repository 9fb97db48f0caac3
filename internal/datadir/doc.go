// Package datadir guards a server's data directory. Every server, whatever its
// role, opens its directory here before it touches anything in it.
//
// It owns two files: STASIS says in JSON which role and server the directory
// belongs to and in which format; STASIS.lock is locked as long as a process has
// the directory open, so two processes can never work on the same data.
//
// A directory is claimed by writing STASIS: to a temporary file, synced, renamed,
// directory synced. After a crash before the rename there is no STASIS and the
// next Open claims the directory anew (with a new id: nobody has seen the old
// one); after it the directory has its id for ever.
//
// Notes are other small files of the directory, written the same way; whose they are and
// what they say is their writers' business.
//
// All files are reached through vfs.FS. Open may be called from any goroutine.
package datadir
