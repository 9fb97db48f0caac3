package world

import (
	"context"
	"errors"
	"fmt"
	"time"

	"stasis/minicluster"
)

// Kill ends a server. Hangs of its disk end with it, because nothing waits for the disk any more.
func (w *processes) Kill(server string) error {
	n, err := node(w.Nodes(), server)
	if err != nil {
		return err
	}
	w.orders.ends(server)
	defer w.stream.gates.gone(n.ID)
	return w.tallies.across(server, func() error {
		w.paused.remove(server)
		w.frozen.remove(server)
		return w.cluster.Kill(server)
	})
}

// Restart gives the process, from its start on, the faults that there are.
func (w *processes) Restart(ctx context.Context, server string) error {
	return w.bringUp(ctx, server, func() error { return w.cluster.Restart(ctx, server) })
}

// bringUp starts a process, and gives it the faults that there are.
func (w *processes) bringUp(ctx context.Context, server string, start func() error) error {
	n, err := node(w.Nodes(), server)
	if err != nil {
		return err
	}
	w.orders.ends(server)
	defer w.stream.gates.gone(n.ID) // what it was until now; nothing is backed up before it serves
	return w.tallies.across(server, func() error {
		w.paused.remove(server)
		w.frozen.remove(server)
		giving, cancel := context.WithCancel(ctx)
		defer cancel()
		given := make(chan error, 1)
		go func() { given <- w.give(giving, n) }()
		err := start()
		if err == nil {
			return w.taken(server, given, cancel)
		}
		cancel() // it may never serve its socket
		<-given
		return err
	})
}

// taken waits until a process that was started has what it is given. One that ends before it serves its socket never has.
func (w *processes) taken(server string, given <-chan error, giveUp context.CancelFunc) error {
	tick := time.NewTicker(dialEvery)
	defer tick.Stop()
	for {
		select {
		case err := <-given:
			return err
		case <-tick.C:
		}
		if n, err := node(w.Nodes(), server); err != nil || n.Broken != "" {
			giveUp()
			if given := <-given; given == nil {
				return nil
			}
			return errors.Join(err, fmt.Errorf("%s has ended before it took the faults that there are: %s", server, n.Broken))
		}
	}
}

// give gives a process that is another one than that of n the orders that stand, and the holds.
func (w *processes) give(ctx context.Context, n minicluster.Node) error {
	c, err := dial(ctx, w, n.Name, n.PID)
	if err != nil {
		return err
	}
	defer c.Close()
	if err := w.orders.give(ctx, n.Name, c); err != nil {
		return err
	}
	for _, h := range w.armed() {
		c, err := dial(ctx, w, n.Name, n.PID) // the hold ends with its connection
		if err != nil {
			return err
		}
		if err := h.heldThere(ctx, c); err != nil {
			return err
		}
	}
	return nil
}

func (w *processes) Lose(server string) error {
	return errors.Join(w.Kill(server), w.cluster.Lose(server))
}

// Start gives the process the faults that there are when it serves its socket, which it does before all else. One that runs has them.
func (w *processes) Start(ctx context.Context, server string) error {
	if n, err := node(w.Nodes(), server); err != nil || n.PID != 0 {
		return err
	}
	return w.bringUp(ctx, server, func() error { return w.cluster.Launch(ctx, server) })
}

func (w *processes) Recover(agent string) error { return w.cluster.Recover(agent) }

func (w *processes) Pause(server string) error  { return w.stop(server, &w.paused) }
func (w *processes) Resume(server string) error { return w.goOn(server, &w.paused) }

// stop stops a process where it is. why has the servers that are stopped for that reason.
func (w *processes) stop(server string, why *set) error {
	if err := w.cluster.Pause(server); err != nil {
		return err
	}
	why.add(server)
	return nil
}

// goOn lets a process go on, unless it is stopped for another reason, and gives it what it could not take.
func (w *processes) goOn(server string, why *set) error {
	n, err := node(w.Nodes(), server)
	if err != nil {
		return err
	}
	why.remove(server)
	if n.PID == 0 || w.paused.has(server) || w.frozen.has(server) {
		return nil
	}
	if err := w.cluster.Resume(server); err != nil || !w.orders.isOwed(server) {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), orderLimit)
	defer cancel()
	c, err := dial(ctx, w, server, 0)
	if err != nil {
		return err
	}
	defer c.Close()
	return w.orders.give(ctx, server, c)
}

// orderLimit bounds orders to one process that has just been resumed.
const orderLimit = 20 * time.Second
