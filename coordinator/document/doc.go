// Package document turns the documents of request bodies into operations, and the results of
// operations into answers. It is pure: no I/O, no state.
//
// A body keeps its attributes as they were written, in their order. Only _key, _id and _rev are
// removed, because the server sets them. Of an attribute that occurs twice the last occurrence
// counts.
package document
