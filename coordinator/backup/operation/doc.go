// Package operation is what a create and a restore have in common, and what ties every
// backup command to the life of its service. It sends no request itself.
//
// An Operation has a name, the id of its backup, a nonce, a log, and the steps that it
// emits. Its Undo list holds what to take back if the operation fails; its Stopwatch runs
// the stages of a protocol. Life gives commands their contexts: each ends with its caller
// and with the service, and after a commit point with the service alone.
//
// The errors here are those that decide what happens next: ErrOutcomeUnknown forbids an
// undo, and Cause prefers the reason why a context ended to "context canceled".
package operation
