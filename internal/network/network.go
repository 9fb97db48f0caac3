// Package network is the seam through which every byte between processes goes:
// HTTP servers, HTTP clients and the Raft transport. TCP is the operating
// system's network. Package fault has one in memory, with named hosts, for simulated clusters.
//
// Server and [NewHTTPClient] are HTTP on the seam. All that serve or call use
// them, so that a cluster in one process runs what a networked one runs and
// differs in one constructor argument. A Server has goroutines and ends them in
// Shutdown. A client's connections are closed by its CloseIdleConnections.
//
// The conformance suite in the tests defines what both networks promise. Nothing
// here retries, and nothing survives a crash.
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
