// Package coordinator is the server that clients speak to. It serves the public HTTP API
// (coordinator/api/…, in internal/rest's router), routes documents to the DB servers that have
// their shards (coordinator/route), changes Plan for databases and collections
// (coordinator/catalog), and runs backups and restores (coordinator/backup).
//
// A coordinator keeps nothing that must survive it. Its identity is in a data directory, if it
// has one; everything else is in the agency or on DB servers. What a coordinator leaves half
// done when it dies, the supervision undoes (databases and collections with isBuilding) or
// another coordinator completes (restores).
//
// Start puts the parts together (parts.go) and runs them (server.go).
package coordinator
