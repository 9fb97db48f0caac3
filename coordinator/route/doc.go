// Package route brings operations on documents to the shards they belong to, and
// their results back in order.
//
// A shard is chosen by the document's key, its server by Plan as the coordinator's
// own watch cache has it. The cache may be behind, so a server may answer that it
// does not lead the shard, no longer has it, or has another restore epoch open.
// Then, and only then, the operations are sent again, to where a newer view of
// Plan says: such an answer means that nothing was applied. A write whose answer
// is lost is never sent again. Its outcome is unknown, and the client is told so.
//
// Operations of one request on one shard are sent in order, one request after the
// other; those on different shards at the same time. Each operation has a result
// of its own, an error included. While a DB server has not finished a restore
// nothing is sent at all.
//
// A Router keeps no state between requests and may be used from any goroutine.
package route
