// Package documents answers requests on documents: on one, on an array of them (/_api/document),
// and imports (/_api/import).
//
// A request is read into operations on shards (coordinator/document), which the router
// applies (coordinator/route). Arrays and imports are worked off in batches, so that a request
// holds a bounded part of its documents in memory. What it holds is counted in its account
// (internal/budget).
//
// Operations on one shard are applied in the order of the request, across batches too. An
// error of one operation is its entry in the answer; an error of a batch ends the request,
// and what was applied before stays applied.
//
// Nothing is kept between requests. Handlers may be called from any goroutine.
package documents
