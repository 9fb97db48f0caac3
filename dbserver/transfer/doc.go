// Package transfer brings pieces of backups to a remote storage and back, and
// keeps order there. It knows remotes only as a Remote: a few calls on named
// objects; transfer/rclone is one.
//
// # At the remote
//
//	<path>/blobs/<1 hex>/<sha256>             content of one file, immutable, named by its hash
//	<path>/<backup id>/<server id>/PIECE.json a piece: its files, sizes and hashes
//	<path>/<backup id>/BACKUP.json            the whole backup: its pieces, and the hash of each PIECE.json
//	<path>/sessions/<name>                    an upload or a prune under way
//	<path>/damaged/<sha256>                   a mark: that blob was read and found damaged
//
// It is complete in itself: a new cluster needs nothing else. A piece's manifest is
// written when all of its content is there, the backup's when all pieces' manifests
// are, by whichever server finds that it was the last. A backup is at the remote
// when BACKUP.json is.
//
// # Rules
//
//   - Content is sent once, by whatever server, for whatever backup: a blob that is
//     there with the right size, and is not marked, is not sent again. So a transfer
//     that was cut off resumes, and of a changed database what has changed is sent:
//     new tables, and a piece's logs, which are copied no further than they reach. Damage of the same size shows only to who reads it: a
//     verify or a download, which mark it, so that the next upload mends it (damage.go).
//   - Nothing is taken from the remote without its size and SHA-256 having been
//     checked on the way, and nothing is published here before all of it is there.
//   - Deleting takes the backup's manifest first, then its pieces'. Only Prune
//     removes blobs, and only those that no manifest names.
//   - Prune and uploads exclude each other, through the remote itself (session.go has
//     the argument): an upload decides that a blob may stay unsent only while no
//     prune can remove it.
//   - Nobody waits for a remote that is silent: an abort or the server's end leaves
//     it alone (prompt.go).
//   - The remote's configuration lives in the memory of the job that it came with. What
//     it may say, and where a remote may be, is for Remotes to decide: a request is
//     checked when it arrives and when its remote is opened.
//   - The agency and the logs have a remote's name and a fingerprint of its path: a path
//     is the client's text, and may have a secret in it.
//
// # After a crash
//
//	died                          what is found
//	while blobs were sent         blobs without a manifest; sent again: no, pruned: yes
//	piece manifest written        the piece; the backup is not listed until all are there
//	while deleting                no BACKUP.json: not listed; deleting again finishes it
//	while pruning                 fewer blobs that nobody needs
//	upload's or prune's session   counts as dead when it has not changed for Timing.Lease
//	while a blob was mended       the blob, and its mark: sent once more
//	while downloading             a pending piece, not listed; the next download goes on with it
//
// A Manager runs jobs for one DB server and reports them to the agency; see job.go.
package transfer
