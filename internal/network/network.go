// Package network is the seam through which every byte between processes goes:
// HTTP servers, HTTP clients and the Raft transport. TCP is the operating
// system's; Memory (for simulated clusters) has named hosts, and can cut, delay,
// throttle, drop and freeze between any two of them, one direction at a time.
//
// Server and NewHTTPClient are HTTP on the seam: whoever serves or calls uses
// them, so that a cluster in one process runs what a networked one runs and
// differs in one constructor argument. A Server has goroutines and ends them in
// Shutdown; a client's connections are closed by its CloseIdleConnections; Memory
// has no goroutines, and its Close ends every connection.
//
// The conformance suite in the tests says what both networks promise. Nothing
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
