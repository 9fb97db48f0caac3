// Package shardkey says by which attributes the documents of a collection are spread over its shards, and when two
// values of such an attribute are the same.
//
// A value is compared and hashed in a canonical form, so that it does not matter how a client writes it:
//
//	number            its float64: 1, 1.0 and 1e0 are the same, and so are -0 and 0
//	string            its characters, whatever was escaped: "1" is no number
//	null              the same as no attribute at all
//	array             its elements, in order
//	object            its attributes, in any order; of one that occurs twice the last
//
// Values that are the same have the same hash. Numbers that are one float64 are one value, as they are for ArangoDB and
// for JavaScript.
//
// All functions are pure.
package shardkey
