package minicluster

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// stopLimit bounds a clean stop of one server; a server that runs on is killed.
const stopLimit = 10 * time.Second

func (n *node) start(ctx context.Context) error {
	n.order.Lock()
	defer n.order.Unlock()
	if n.running() != nil {
		return nil
	}
	return n.bringUp(ctx)
}

// startAgain is start, also if a life that has ended by itself was not cleared away. What was wrong with that one is no reason against
// another one: see makeWay.
func (n *node) startAgain(ctx context.Context) error {
	n.order.Lock()
	defer n.order.Unlock()
	if r := n.running(); r != nil {
		select {
		case <-r.done():
			_ = n.stopNow(ctx)
		default:
			return nil
		}
	}
	return n.bringUp(ctx)
}

// bringUp launches the node; order is held. An error is kept, for the node is wanted.
func (n *node) bringUp(ctx context.Context) error {
	r, err := n.prepareAndLaunch(ctx)
	if err == nil {
		n.become(r)
		return nil
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.wanted, n.fault = true, err
	n.owed = fmt.Errorf("start %s: %w", n.name, err)
	return n.owed
}

func (n *node) prepareAndLaunch(ctx context.Context) (running, error) {
	if n.prepare != nil {
		if err := n.prepare(); err != nil {
			return nil, err
		}
	}
	return n.launch(ctx, n)
}

// unwant notes that the node is to stay down, and gives what stop has to report of the life that has ended.
func (n *node) unwant() (owed error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	owed = n.owed
	n.life = life{}
	return owed
}

// stop returns when nothing of the node is left. Its error is what went wrong in the node's
// life and at its end.
func (n *node) stop(ctx context.Context) error {
	n.order.Lock()
	defer n.order.Unlock()
	return n.stopNow(ctx)
}

// makeWay is stop before another life of the node. What was wrong with a life that has ended by itself is no reason against another
// one, which may end of the same.
func (n *node) makeWay(ctx context.Context) error {
	n.order.Lock()
	defer n.order.Unlock()
	alive := n.alive()
	if err := n.stopNow(ctx); alive {
		return err
	}
	return nil
}

// stopNow is stop with order held.
func (n *node) stopNow(ctx context.Context) error {
	owed := n.unwant()
	r := n.running()
	if r == nil {
		return owed
	}
	ctx, cancel := context.WithTimeout(ctx, stopLimit)
	defer cancel()
	err := r.stop(ctx)
	n.become(nil)
	if err != nil {
		return fmt.Errorf("%s: %w", n.name, err)
	}
	return nil
}

func (n *node) kill() {
	n.order.Lock()
	defer n.order.Unlock()
	n.killNow()
}

// killNow is kill with order held.
func (n *node) killNow() {
	_ = n.unwant() // an earlier end is no failure any more
	if r := n.running(); r != nil {
		r.kill()
		n.become(nil)
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.killed = true
}

// signal does something to the node if it runs.
func (n *node) signal(what string, do func(running) error) error {
	n.order.Lock()
	defer n.order.Unlock()
	r := n.running()
	if r == nil {
		return fmt.Errorf("%s %s: it does not run", what, n.name)
	}
	if err := do(r); err != nil {
		return fmt.Errorf("%s %s: %w", what, n.name, err)
	}
	return nil
}

// reap clears away what is left of a node that has ended. It gives how long the node had run
// and whether it looks as if it was asked to end.
func (n *node) reap(ctx context.Context) (ran time.Duration, asked bool) {
	n.order.Lock()
	defer n.order.Unlock()
	r := n.running()
	if r == nil {
		return 0, false
	}
	select {
	case <-r.done():
	default:
		return 0, false // it runs again
	}
	ctx, cancel := context.WithTimeout(ctx, stopLimit)
	defer cancel()
	fault, owed := r.failure(), r.stop(ctx)
	if owed != nil {
		owed = fmt.Errorf("%s: %w", n.name, owed)
	}
	n.become(nil)
	n.mu.Lock()
	defer n.mu.Unlock()
	n.fault, n.owed = fault, owed
	if asked = r.asked(); asked {
		n.wanted = false
	}
	return time.Since(n.since), asked
}

// errNotWanted is a node that was stopped, or removed, before it was started again.
var errNotWanted = errors.New("it is to stay down")

// revive starts a node that is down.
func (n *node) revive(ctx context.Context) error {
	n.order.Lock()
	defer n.order.Unlock()
	if !n.down() {
		return errNotWanted
	}
	return n.bringUp(ctx)
}
