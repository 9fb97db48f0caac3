package network

import (
	"context"
	"net/http"
)

// Messages is what a Network has, too, if not only its bytes can be broken but single messages, as on a network of
// package fault. A Network that wraps another one has to pass it on.
type Messages interface {
	// RoundTripper puts the faults of messages before t.
	RoundTripper(t http.RoundTripper) http.RoundTripper
	// Call calls do, which makes a call that is not HTTP, unless a fault happens to it. again says that a call is a
	// copy, whose answer is not wanted. repeatable says that do may be called a second time, also after Call has
	// returned.
	Call(ctx context.Context, address, path string, repeatable bool, do func(again bool) error) error
}

// roundTripper puts the faults of messages on n, if it has any, before t.
func roundTripper(n Network, t http.RoundTripper) http.RoundTripper {
	if m, ok := n.(Messages); ok {
		return m.RoundTripper(t)
	}
	return t
}
