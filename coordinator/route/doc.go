// Package route brings operations on documents to their shards, and the results back in order.
//
// The document's key chooses the shard. Plan, as the coordinator's watch cache has it, names the
// server. The cache may be behind, so a server may answer that it does not lead the shard, does
// not have it any more, or has opened another restore epoch. Such an answer means that nothing
// was applied, and only then the operations are sent again, to the server of a newer snapshot.
// A write whose answer is lost is never sent again: its outcome is unknown, and the error says
// so.
//
// Operations of one request on one shard are sent in order, one request after the other; those
// on different shards at the same time. Each operation has a result of its own, which may be an
// error. While a DB server has not finished a restore, nothing is sent.
//
// A Router keeps no state between requests. Any goroutine may use it.
package route
