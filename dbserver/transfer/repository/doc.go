// Package repository is what backups are at a remote storage: names, manifests, sessions,
// and the operations that keep the whole in order. It is complete in itself: a new
// cluster needs nothing else.
//
//	<path>/blobs/<1 hex>/<sha256>             content of one file, immutable, named by its hash
//	<path>/<backup id>/<server id>/PIECE.json a piece: its files, sizes and hashes
//	<path>/<backup id>/BACKUP.json            the whole backup: its pieces, and the hash of each PIECE.json
//	<path>/sessions/<name>                    an upload or a garbage collection that runs
//	<path>/damaged/<sha256>                   a mark: that blob was read and found damaged
//
// A piece's manifest is written when all of its content is there, the backup's when all
// pieces' manifests are, by whichever server finds that it was the last. A backup is at
// the remote when BACKUP.json is.
//
// # Rules
//
//   - A blob that is there with the right size, and is not marked, is not sent again.
//     Damage of the same size is visible only to a reader: a verify or a download marks
//     the blob, and the next upload repairs it (mark.go).
//   - Deleting removes the backup's manifest first, then its pieces'. Only Prune removes
//     blobs, and only those that no manifest names.
//   - Manifests here are not signed: a party that can write here can replace a backup as a
//     whole. A verify that has keys reads the certificates, too, which the cluster has signed
//     and which have the hashes of all that the pieces consist of (judge.go).
//   - Prune and uploads exclude each other through the remote itself (session.go has the
//     argument): an upload decides that a blob may stay unsent only while no prune can
//     remove it.
//
// # After a crash
//
//	died                          what is found
//	while blobs were sent         blobs without a manifest; sent again: no, pruned: yes
//	piece manifest written        the piece; the backup is not listed until all are there
//	while deleting                no BACKUP.json: not listed; deleting again finishes it
//	while pruning                 fewer blobs that no manifest names
//	upload's or prune's session   counts as dead when it has not changed for a lease
//	while a blob was repaired     the blob, and its mark: sent once more
package repository
