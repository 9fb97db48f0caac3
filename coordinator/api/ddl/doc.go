// Package ddl answers requests on databases, collections and indexes. It translates between
// the attributes of ArangoDB's HTTP API and those of the catalog (coordinator/catalog), which
// decides and carries out. What ArangoDB has and this version lacks is refused: an attribute
// that is accepted has its effect.
//
// Nothing is kept between requests. Handlers may be called from any goroutine.
package ddl
