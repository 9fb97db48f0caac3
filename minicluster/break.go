package minicluster

import "context"

// Kill ends a server without giving it time for anything: SIGKILL for a process.
// In process the server is cut off from the network and closed without waiting for its
// requests; unlike a process it syncs its files. A server that does not run stays down. The
// error says that there is no such server.
func (c *Cluster) Kill(name string) error {
	n, err := c.servers.named(name)
	if err != nil {
		return err
	}
	n.kill()
	return nil
}

// KillAll kills all servers at once.
func (c *Cluster) KillAll() {
	_ = together(c.servers.all(), func(n *node) error { n.kill(); return nil }) // never fails
}

// Pause stops a server's process where it is (SIGSTOP). On Linux the server does nothing any more when
// Pause returns; elsewhere this takes effect a little later. Its system goes on accepting connections and bytes for it.
// A server in this process cannot be paused, which is an error: freeze its host in a fault.Network
// instead. Kill and Stop end a paused server as any other.
func (c *Cluster) Pause(name string) error { return c.signal(name, "pause", running.pause) }

// Resume takes Pause back (SIGCONT).
func (c *Cluster) Resume(name string) error { return c.signal(name, "resume", running.resume) }

func (c *Cluster) signal(name, what string, do func(running) error) error {
	n, err := c.servers.named(name)
	if err != nil {
		return err
	}
	return n.signal(what, do)
}

// Restart starts a server that was killed or that has ended by itself, or stops and starts one that runs. It
// returns when the server serves; ctx bounds that. Why a server had ended by itself is no error here: Err delivers it.
func (c *Cluster) Restart(ctx context.Context, name string) error {
	n, err := c.servers.named(name)
	if err != nil {
		return err
	}
	if err := n.makeWay(ctx); err != nil {
		return err
	}
	if err := n.start(ctx); err != nil {
		return err
	}
	o := c.observe()
	defer o.close()
	return awaitAll(ctx, o, []*node{n})
}
