package fault

import (
	"context"
	"net"
)

// Host is the network as one host uses it.
type Host interface {
	// Listen opens address ("host:port"; with port 0 the network chooses one).
	Listen(address string) (net.Listener, error)
	// DialContext connects to address; network is "tcp".
	DialContext(ctx context.Context, network, address string) (net.Conn, error)
}
