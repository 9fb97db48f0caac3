// Package operation has what a create and a restore share, and what ends every backup command
// with its service. It sends no requests.
//
// An Operation has a name, the id of its backup, a nonce, a log, and the steps that it emits. Its
// Undo list has what to undo if the operation fails. Its Stopwatch runs the stages of a protocol.
// Life makes the contexts of commands: each ends with its caller and with the service, and after
// a commit point with the service alone.
//
// The errors here decide what happens next: [ErrOutcomeUnknown] forbids an undo, and Cause returns
// why a context ended instead of "context canceled".
package operation
