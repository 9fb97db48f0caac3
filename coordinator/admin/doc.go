// Package admin changes the cluster on behalf of its administrator: it has shards
// moved, servers cleaned out, relieved of leadership and removed, the shards spread
// evenly, and the supervision paused.
//
// What takes time is a job of the supervision. A handler checks the request
// against Plan as the agency has it now, writes the job to Target/ToDo in one
// transaction, and answers with its id; what became of it is asked for with that
// id, at any coordinator. Jobs may be written while Plan is frozen;
// they wait for the thaw then. An id is never given out twice: the transaction has
// the restore epoch, in which the id was reserved, as its precondition.
//
// Removing a server is no job but one transaction, for which the server must have
// failed and be used by no shard.
//
// Nothing is kept between requests. Handlers may be called from any goroutine.
package admin
