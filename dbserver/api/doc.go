// Package api answers a DB server's HTTP requests. Package client has the paths and the types
// of requests and answers.
//
// A Handler routes each request to the part that answers it. The parts know the open data,
// the gate and the pieces, but no server:
//
//   - Documents: what clients of a coordinator read and write.
//   - replication: what a leader asks of the other replicas of a shard.
//   - gates: the request that asks for the gate and holds it, and its release.
//   - Backups: the steps of backups, restores, deletes and transfers.
//   - public: what every server of a cluster answers to any client.
//
// # Who is let in
//
// Requests of the first three kinds, and the steps of a backup that touch the engine, run on
// the data of the epoch that they name. They enter it by store.Access, and leave soon when
// the data is about to be closed. Requests on pieces need the same epoch but not the data.
// Listing, and everything that undoes, is answered whatever the epoch. Once this server knows
// of a newer epoch it refuses the old one, because others may show restored data already.
//
// Requests that write documents have a name, and are done once however often they arrive
// (once.go). That is looked at first.
//
// # Answers
//
// A write that is refused (gate, epoch, starting, stopping) was not applied. After a lost
// connection and an internal error the outcome is unknown. A list of operations that ends half
// way has results for what was done, and refuses the others one by one.
package api
