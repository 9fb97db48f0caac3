//go:build race

package bubbles

// Race says whether the race detector is on.
const Race = true
