// Package datadir guards a server's data directory. Every server, in every role, opens its
// directory with this package before it reads or writes anything in it.
//
// The package owns two files. STASIS says in JSON which role and server the directory
// belongs to and in which format. STASIS.lock, the directory lock, is locked while a
// process has the directory open, so that two processes never work on the same data.
//
// Open claims a new directory when it writes STASIS: to a temporary file, synced, renamed,
// directory synced. After a crash before the rename there is no STASIS, and the next Open
// claims the directory with a new id; no other server has seen the old one. After the
// rename the id of the directory never changes.
//
// Notes are other small files of the directory, written the same way. Their content is
// their writers' business.
//
// All files are reached through vfs.FS. Open may be called from any goroutine.
package datadir
