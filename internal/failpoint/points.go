package failpoint

// points are all points in the code, room by room. A test sees that none is missing.
var points = []string{
	"agency/client/cache",            // the cache has an answer of the agency and has not taken it
	"agency/write",                   // transactions of a request are read, and not in the queue
	"agency/founding/ask",            // an agent that has nothing is about to ask the others once more
	"agency/supervision/decide",      // the leader has read the tree, and not written what follows from it
	"coordinator/backup/lock/commit", // of a backup or a restore: the transaction is about to be sent
	"coordinator/transaction/step",   // of the commit of a transaction; named by the step that is done: begun, entered, prepared, decided, resolved, forgotten
	"coordinator/route/send",         // operations on a shard are about to be sent; named by the shard
	"dbserver/documents/apply",       // operations on documents are inside the gate, and not applied
	"dbserver/documents/answer",      // operations on documents are done, and not answered
	"dbserver/leading/answer",        // what is asked of a whole shard is read, and not answered
	"dbserver/lease/answered",        // a heartbeat is answered, and the lease not lengthened
	"dbserver/pieces/publish",        // the agency has a backup as committed, and the piece is not published
	"dbserver/reconcile/follow",      // a server has seen a new Plan, and not begun to follow it
	"dbserver/transaction/answer",    // an operation of a transaction is done, and not answered
	"dbserver/transaction/decide",    // a home is about to decide
	"dbserver/transaction/prepare",   // a shard is about to prepare
	"dbserver/transaction/resolve",   // a shard is about to resolve
	"dbserver/replica/accepted",      // a follower has accepted records, and the leader not noted it
	"engine/apply",                   // a batch is about to be applied; named by the engine's directory
}
