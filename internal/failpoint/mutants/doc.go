// Command mutants switches the safety lines off, one after the other, and demands that
// the test that is named for the line fails, and fails in the assertion that is named.
// Without the mutant the test must pass. It is run by `make mutants`:
//
//	mutants [all | k/n | name …]
//
// k/n is the k-th of n parts of the list. A test that panics, that does not end, or that
// fails in another assertion has not noticed what is missing, and does not count.
package main
