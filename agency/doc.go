// Package agency is one agent: a Raft node that replicates the key tree of
// package fsm, and the HTTP API around it.
package agency
