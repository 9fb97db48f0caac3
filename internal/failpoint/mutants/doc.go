// Command mutants switches the safety lines off, one after the other, and demands that
// the test that is named for the line fails, and fails in the assertion that is named.
// Without the mutant the test must pass. It is run by `make mutants`:
//
//	mutants [-passed FILE] [all | k/n | name …]
//
// k/n is the k-th of n parts of the list. FILE is what `go test -json` has printed for the same
// code: a test that passed there is not run without the mutant again. A test that panics, that does not end, or that
// fails in another assertion has not noticed what is missing, and does not count.
package main
