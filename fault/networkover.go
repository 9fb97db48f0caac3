package fault

import (
	"context"
	"net"
)

// NewNetworkOver makes a network whose hosts use a real one below. It has the same rules as one in memory; they
// are met in this process, where a connection is dialed. For a connection that host a dials to b in this process,
// rules from a to b concern what a writes and rules from b to a concern what a reads. Connections that others dial
// to this process are left alone. So a cluster of processes is broken by giving every process the same rules.
//
// hosts names the host of an address ("host:port") that is dialed; "" or a nil function mean [Outside]. The
// addresses on which the hosts of this network listen are known without it. Message rules and Freeze work, too;
// Freeze of a host concerns its dialed connections alone.
//
// A connection that no rule concerns is used directly. The first rule that concerns it puts it on a relay for good.
// A connection that is closed while its end cannot arrive stays open below until it can, or until Close.
func NewNetworkOver(below Host, hosts func(address string) string) *Network {
	n := NewNetwork()
	n.over = &over{below: below, hostOf: hosts, listeners: map[string]*overListener{}}
	return n
}

// dialOver connects host to address. The handshake meets the rules of both directions.
func (n *Network) dialOver(ctx context.Context, host *host, network, address string) (net.Conn, error) {
	to := n.over.host(address)
	fail := func(err error) error {
		return &net.OpError{Op: "dial", Net: network, Addr: addr(address), Err: err}
	}
	n.core.mu.Lock()
	there, back := n.link(host.name, to), n.link(to, host.name)
	err := n.core.travel(ctx, there, host)
	n.core.mu.Unlock()
	if err != nil {
		return nil, fail(err)
	}
	below, dialErr := n.over.below.DialContext(ctx, network, address)
	if dialErr != nil && ctx.Err() != nil {
		return nil, dialErr
	}
	n.core.mu.Lock()
	defer n.core.mu.Unlock()
	if err := n.core.travel(ctx, back, host); err != nil { // a refusal travels, too
		if below != nil {
			_ = below.Close() // nothing has used it
		}
		return nil, fail(err)
	}
	if dialErr != nil {
		return nil, dialErr
	}
	return newRelayed(&n.core, there, back, below, &n.over.pumps), nil
}
