// Package store has a server's open data: the engine, and the replicas in it with what they
// answer to leaders elsewhere and with their own leaders. Access lets requests in to it, and
// keeps them out while the engine below is exchanged or closed.
//
// A Store lives from the opening of an engine to its closing. When a restore puts another
// engine in place, or shards are opened again after the disk hung, there is a new Store; a
// request holds the one that it entered with.
package store
