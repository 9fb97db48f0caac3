// Package anomaly finds what is wrong with a history of transactions that read lists and append to them, in the words of Adya and of
// Elle.
//
// The package is experimental: names may change until the fault lab is finished.
//
// Every element is appended once, so a list that was seen tells who made it and in which order. From that follows which
// transaction has to come before which:
//
//	ww  the one appended an element, and the other the next one
//	wr  the one appended the last element that the other saw
//	rw  the one saw a list, and the other appended the next element to it
//
// A cycle of these is an anomaly. Which it is depends on how many rw it has:
//
//	G0        none, and ww alone
//	G1c       none, and a wr
//	G-single  one
//	G2        two or more
//
// Others need no graph: what was aborted is seen (G1a), or what a transaction appended before its last append (G1b); a transaction does
// not see what it appended itself (internal); two read the same list and both appended to it (lost update); an element is twice
// (duplicate), is of nobody (garbage), or lists that were seen have different orders (incompatible order).
//
// # What Stasis allows
//
// Its transactions are of Adya's level PL-2, without lost updates. So [Name.Allowed] is true of G-single, which is what fuzzy
// reads and read skew make, and of G2, which is what write skew makes. All others are violations.
//
// A [Txn] that is a Snapshot, as a backup is, has to be better: a G-single through it means that it lacks a transaction on which one
// depends that it has, so it is no beginning of any order of commits. This is [Gap].
//
// The time at which transactions ran is not looked at.
package anomaly
