//go:build !race

package bubbles

// Race reports whether the race detector is on.
const Race = false
