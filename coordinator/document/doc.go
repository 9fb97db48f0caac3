// Package document turns the documents of request bodies into operations, and the
// results of operations into answers. It is pure: no I/O, no state.
//
// A body keeps its attributes as they were written, in their order; only _key, _id
// and _rev are taken out, because the server sets them. An attribute that stands
// twice counts as its last occurrence.
package document
