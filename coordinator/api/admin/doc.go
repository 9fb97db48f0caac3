// Package admin changes the cluster on behalf of its administrator: it moves shards, cleans
// servers out, takes leaderships from them, removes servers, spreads shards evenly, and pauses
// the supervision.
//
// What takes time is a job of the supervision. A handler checks the request against Plan as the
// agency has it now, writes the job to Target/ToDo in one transaction, and answers with its id.
// With that id any coordinator answers how far the job is. Jobs may be written while Plan is
// frozen; they wait for the thaw. An id is never given out twice: the transaction has as its
// precondition the restore epoch in which the id was reserved.
//
// Removing a server is not a job but one transaction. The server must have failed, and no shard
// may use it.
//
// Nothing is kept between requests. Handlers may be called from any goroutine.
package admin
