package minicluster

import (
	"context"
	"errors"
	"io/fs"
	"path/filepath"
	"syscall"
	"time"

	"stasis/fault/control"
)

// dialEvery is how often a process that was just started is looked at for its socket.
const dialEvery = 20 * time.Millisecond

// wire is the connection to the process of a server, made when it is needed and again when the process is another one.
type wire struct {
	turn chan struct{} // one token: who has it may use what follows
	conn *control.Client
	of   running
	here bool // the process is this one: the connection stays
}

func newWire() *wire { return &wire{turn: make(chan struct{}, 1)} }

// client connects to the process of a node.
func (w *wire) client(ctx context.Context, n *node) (*control.Client, error) {
	select {
	case w.turn <- struct{}{}:
	case <-ctx.Done():
		return nil, control.Errorf(control.Silent, "%s: the order before this one is not answered: %v", n.name, context.Cause(ctx))
	}
	defer func() { <-w.turn }()
	r := n.running()
	switch {
	case w.here:
		return w.conn, nil
	case r == nil || n.failure() != nil:
		return nil, control.Errorf(control.NotRunning, "%s does not run", n.name)
	case r.paused():
		return nil, control.Errorf(control.Silent, "%s is paused: it takes no orders until it is resumed", n.name)
	case w.conn != nil && w.of == r && !gone(w.conn):
		return w.conn, nil
	}
	w.close()
	conn, err := dialNode(ctx, n, r)
	if err != nil {
		return nil, err
	}
	w.conn, w.of = conn, r
	return conn, nil
}

func gone(c *control.Client) bool {
	select {
	case <-c.Gone():
		return true
	default:
		return false
	}
}

// end is close when others may use the connection.
func (w *wire) end() {
	w.turn <- struct{}{}
	defer func() { <-w.turn }()
	w.close()
}

func (w *wire) close() {
	if w.conn != nil {
		w.conn.Close()
		w.conn = nil
	}
}

// dialNode connects to one life of a node. A process that was just started serves its socket a moment later.
func dialNode(ctx context.Context, n *node, r running) (*control.Client, error) {
	tick := time.NewTicker(dialEvery)
	defer tick.Stop()
	for {
		c, err := control.Dial(ctx, filepath.Join(n.at.dir, control.SocketName))
		if err == nil && c.Hello().PID != r.pid() {
			c.Close()
			return nil, control.Errorf(control.NotAllowed, "%s is process %d, and process %d serves its control socket: end that one", n.name, r.pid(), c.Hello().PID)
		}
		if err == nil || !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, syscall.ECONNREFUSED) {
			return c, err
		}
		select {
		case <-tick.C:
		case <-r.done():
			return nil, control.Errorf(control.NotRunning, "%s does not run", n.name)
		case <-ctx.Done():
			return nil, control.Errorf(control.Silent, "%s does not serve its control socket: %v", n.name, err)
		}
	}
}
