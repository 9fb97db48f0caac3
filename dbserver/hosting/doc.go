// Package hosting has the open data follow the cluster: it opens the engine of the cluster's
// epoch, exchanges it when a restore is committed, opens shards again after the disk hung, and
// closes the engine.
//
// # The problem
//
// After a restore every server must serve the restored data, and no server may serve data of
// another epoch than the cluster's. The server may die at any step, or may have been away
// during the restore. Nothing is guessed: data that the agency cannot account for is an error.
//
// # Rules
//
//   - A new server takes the cluster's epoch.
//   - A server that a restore passed over sets its engine aside and goes on with an empty one.
//   - A known server without its engine directory, an engine that is newer than the agency, and
//     shards on a server that the agency does not know are errors.
//   - The engine is exchanged only after Access has let the last request out. If a step fails,
//     the data stays shut, and the next call tries again.
package hosting
