// Package bubbles stands for what starts a bubble.
package bubbles

import "testing"

// Test runs f.
func Test(t *testing.T, f func(t *testing.T)) { f(t) }
