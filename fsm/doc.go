// Package fsm is the agency's replicated key tree as a pure state machine.
package fsm
