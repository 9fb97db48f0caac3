// Package client is how servers, tools and tests talk to the agency. It has a typed client that
// finds the leader by itself, a cache that follows the agency's log, and the few transactions that
// every server needs (bootstrap, registration, heartbeat, reservation of ids).
//
// A call goes to the agent that led last. It follows redirects, and tries the other agents when one
// refuses, hangs or is gone. It pauses a little when none leads, and goes on until its context ends;
// the error then says how the last attempt went. Every attempt has a deadline of its own.
//
// # Outcomes of a write
//
// A write is applied (an index), not applied ([ErrPrecondition], [ErrRejected], [ErrUnavailable]), or its
// outcome is unknown ([ErrUnknown]). The package never folds unknown into one of the others. How an
// attempt ended decides what the client does next:
//
//	no connection, redirect        no leader has it: try elsewhere
//	408, 5xx                       a leader had it, outcome open: inquire, then maybe repeat
//	no answer                      perhaps still on its way: inquire, then maybe repeat
//	200, 412, 403 of the leader    the outcome
//
// A leader answers an inquiry only after it has applied everything that was in the log when it began
// to lead. So its "not applied" is final for whatever an agent has answered. It is not final for a
// request without answer, which may be delayed and arrive later still: therefore a leader applies no
// client id of this package a second time. It forgets ids once the log has moved on far; Write says
// what follows from that. All transactions of this package are safe against it by their
// preconditions.
//
// # The cache
//
// One goroutine, the one in Run, polls the leader and replaces an immutable tree by the next one.
// Readers load a pointer. The index never falls: the cache drops an answer that is older than the
// tree, does not continue it, or would empty it. A server that starts again begins with an empty
// cache; the disk holds none of it.
//
// # Inside
//
//	Client     what can be asked of an agency
//	search     one call's way to the leader, over several attempts
//	agents     one attempt at one agent
//	leader     the guess which agent leads, and the polls that wait at agents
//	followed   which agency the client follows
//
// The package is safe for concurrent use. It starts no goroutine that outlives a call (the cache's
// live inside Run), and does not close the HTTP client that it is given.
package client
