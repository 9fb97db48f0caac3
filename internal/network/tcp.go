package network

import (
	"context"
	"fmt"
	"net"
	"time"
)

// keepAlive finds peers that vanished without a word, within about 45 s: the
// protocols have their own deadlines, this one only frees the sockets.
var keepAlive = net.KeepAliveConfig{Enable: true, Idle: 15 * time.Second, Interval: 10 * time.Second, Count: 3}

type tcp struct{}

// TCP is the operating system's network.
func TCP() Network { return tcp{} }

func (tcp) Listen(address string) (net.Listener, error) {
	lc := net.ListenConfig{KeepAliveConfig: keepAlive}
	l, err := lc.Listen(context.Background(), "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w", address, err)
	}
	return l, nil
}

func (tcp) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	d := net.Dialer{KeepAliveConfig: keepAlive}
	return d.DialContext(ctx, network, address) // the error names operation and address
}
