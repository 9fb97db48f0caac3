// Package network is the seam through which every byte between processes goes:
// HTTP servers, HTTP clients and the Raft transport. TCP is the operating
// system's; Memory (for simulated clusters) has named hosts, and can cut, delay,
// throttle, drop and freeze between any two of them, one direction at a time.
package network

import (
	"context"
	"net"
)

// Network is one host's view of the network.
type Network interface {
	// Listen opens address ("host:port"; port 0 lets the network choose).
	Listen(address string) (net.Listener, error)
	// DialContext connects to address; network is "tcp".
	DialContext(ctx context.Context, network, address string) (net.Conn, error)
}
