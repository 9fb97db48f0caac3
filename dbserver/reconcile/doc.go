// Package reconcile has a DB server follow Plan: it compares the agency's tree with what the
// server has, carries out the difference, and reports to Current. One goroutine does so
// whenever the tree changes, after a while when something failed, and now and then to look
// for what is left over.
//
// Each step may be done any number of times, or be interrupted: the comparison is a pure
// function of the tree and of the shards here, and what is still missing turns up in the next
// one. Reports carry the epoch and Plan's entry as preconditions, so a late report can say
// nothing about another epoch or a dropped collection. Leaders report their shards themselves
// (package replica).
package reconcile
