// Package pieces decides what becomes of a server's pieces of backups, and of restores that
// are staged here. Package backup has the files; this package has the rules by which they
// are published, removed and swapped in.
//
// # The problem
//
// What a request of a backup has done holds up writers, fills the disk, or undoes the work of
// another backup. Requests may be late, repeated, or of another cluster, and coordinators die
// in the middle of an operation. So no request is judged by its sender.
//
// # Rules
//
//   - What leads up to the commit of a backup is done for the nonce that holds the agency lock
//     (Reader.UnderLockWithin).
//   - What undoes, publishes or removes is judged by the agency, not by the cache and not by
//     the caller: Manager asks the agency each time.
//   - What was found on disk is judged by an answer to a question asked after it was found.
//     Otherwise the answer may not know of the lock under which it was begun.
package pieces
