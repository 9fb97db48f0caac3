// Package client is how servers, tools and tests talk to the agency: a typed
// client that finds the leader by itself, a cache that follows the agency's log,
// and the few transactions that every server needs (bootstrap, registration,
// heartbeat, reservation of ids).
//
// A call goes to the agent that led last. It follows redirects, tries the other
// agents when one refuses, hangs or is gone, pauses a little when none leads, and
// goes on until its context ends; an error then says what was tried last. Every
// attempt has a deadline of its own.
//
// # Outcomes of a write
//
// Applied (an index), not applied (ErrPrecondition, ErrRejected, ErrUnavailable)
// or unknown (ErrUnknown): unknown is never folded into one of the others. What an
// attempt tells decides what happens next:
//
//	no connection, redirect        not taken: try elsewhere
//	408, 5xx                       taken, outcome open: inquire, then maybe repeat
//	no answer                      perhaps still on its way: inquire, then maybe repeat
//	200, 412, 403 of the leader    the outcome
//
// A leader answers an inquiry only after everything that was in the log when it
// began to lead is applied, so its "not applied" is final for whatever an agent
// has answered. It is not final for a request without answer, which may be
// delayed and arrive later still: so a leader applies no client id of this package a second
// time. It forgets ids once the log has moved on far: see Write for what follows
// from that. All transactions of this package are safe against it by their preconditions.
//
// # The cache
//
// One goroutine, the one in Run, polls the leader and replaces an immutable tree
// with the next one; readers load a pointer. The index never falls: an answer that
// is older than the tree, does not continue it, or would empty it, is dropped. A
// server that starts again begins with an empty cache; nothing is kept on disk.
//
// The package is safe for concurrent use, starts no goroutine that outlives a call
// (the cache's live inside Run), and does not close the HTTP client it is given.
package client
