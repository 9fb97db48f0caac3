// Package history records what clients did and saw, so that it can be checked afterwards.
//
// The package is experimental: names may change until the fault lab is finished.
//
// An operation begins before its request is sent and ends when its answer is there. Both moments are on one
// clock, and both have a number: numbers are in the order in which this process saw the moments. Two moments of
// virtual time are often the same; their numbers are not, so what happened first is known nevertheless.
//
//	h := history.New()
//	call, err := h.Begin(history.Op{Client: 1, Kind: "insert", Key: "a"})
//	if err != nil { … } // the history cannot be written
//	… // send the request, wait for the answer
//	call.End(history.OK, nil, nil)
//	for _, op := range h.Ops() { … }
//
// An operation of several requests, of which only the last has an effect, is amended before that is sent: what it asks for is
// known only then.
//
// # Outcomes
//
// An operation ends [OK], or it ends with [Fail]: it was refused, and nothing was done. Of one that ends with
// [Info] the client does not know whether it was done, or will be. An operation that has not ended has the
// outcome Info and no EndOrder. A client goes on under a new process number after Info, as in Jepsen: the
// operations of one process follow each other.
//
// # Files
//
// With Options.Stream every moment is written as a line of JSON before the call that records it returns. So a
// begin is in the file before the request is sent, and whatever becomes of this process, the file knows of every
// request that may have been sent. [Parse] reads a file; a line that was cut off at the end of it does not matter.
// What the operating system does with a file when the machine loses its power is not the package's concern.
//
// [WriteEDN] and [WriteJSON] write a history for Elle and elle-cli. Package workload knows their models, and cuts a history at
// its restores.
//
// # Memory
//
// A History keeps every operation: about 300 bytes and its values. With Options.Forget it keeps none but counts,
// so that a load can run for days; the file then has to be read to check it.
package history
