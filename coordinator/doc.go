// Package coordinator is the process that clients speak to: it serves the public
// HTTP API, routes documents to the DB servers that hold their shards, changes
// Plan for databases and collections, and mounts the backup and restore
// protocols (coordinator/backup).
//
// A coordinator owns nothing that must survive it. Its identity is kept in a
// data directory if it has one; all else is in the agency or on DB servers. What
// a dead coordinator left half done is undone by the supervision (databases and
// collections with isBuilding) or finished by another coordinator (restores).
package coordinator
