// Package transfer brings pieces of backups to a remote storage and back: the jobs of one
// DB server.
//
//	Manager  accepts jobs, runs them, and does single operations at a remote
//	record   what the agency has of a job
//	job      runs one
//	mover    moves the files of one piece
//
// What is at the remote is package repository. How a remote is reached is package
// storage; transfer/rclone implements it.
//
// # Rules
//
//   - Content is sent once, by any server, for any backup. A transfer that was cut off
//     therefore resumes, and of a changed database only what has changed is sent: new
//     tables, and a piece's logs, which are copied no further than they reach.
//   - Nothing is taken from the remote unless its size and SHA-256 have been checked on
//     the way, and nothing is published here before all of it is there.
//   - A piece whose certificate is refused is not published: its signature does not hold, or
//     it is not that of a key that the request names, or it was signed for another piece.
//     The certificate is fetched first.
//   - A remote that does not answer holds up neither an abort nor the server's end: the
//     call is abandoned, see storage.Open.
//   - The remote's configuration lives in the memory of the job that it came with.
//     storage.Remotes decides what the configuration may say and where a remote may be.
//     A request is checked when it arrives and when its remote is opened.
//   - The agency and the logs have a remote's name and a fingerprint of its path: a path
//     is the client's text, and may have a secret in it.
//
// A download that is cut off leaves a pending piece, which is not listed; the next
// download goes on with it.
package transfer
