// Package route brings operations on documents to their shards, and the results back in order.
//
// The document's key chooses the shard, or the values of the collection's shard keys do
// (internal/shardkey). Plan, as the coordinator's watch cache has it, names the
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
// In a collection with shard keys, a request may name a document by its key alone. Then all shards
// are asked whether they have it, which changes nothing, and the operation is sent to the one that
// does. So a write is sent to one shard at most, and its outcome can be unknown there only. Keys are
// made by the coordinator in such a collection, and none is made twice: a document that one shard
// has is on no other, and stays where it is as long as it exists. If two shards have it all the
// same, nothing is done (1467). A document that no shard has is missing only if all have said so.
// What was found is used in the restore epoch of the search, and in no other.
//
// A Router keeps no state between requests. Any goroutine may use it.
package route
