// Package storage is what transfers know of a remote storage: named objects.
//
// Remote is the interface; dbserver/transfer/rclone and, for tests,
// dbserver/transfer/remotetest implement it. Around a Remote there are three wrappers,
// from the inside to the outside:
//
//   - Open makes a Remote whose calls return when their context ends, whatever the
//     storage does (cancel.go).
//   - Retrying makes calls again that may succeed later (retry.go).
//   - Limited bounds the rate at which content is read (limit.go).
package storage
