// Package runner makes runs of scenarios: one child process a run, several at once, each with a seed and a
// watchdog in real time.
//
// (contract; the owner of this package replaces this file)
package runner
