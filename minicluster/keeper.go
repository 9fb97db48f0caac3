package minicluster

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"stasis/internal/datadir"
	"stasis/internal/failpoint"
)

// A server that ends by itself does not end the cluster. What has ended is looked after by
// a goroutine of its own, which says so, and with Options.Revive starts it again.

const (
	firstPause = time.Second     // before the first attempt to start a server again
	mostPause  = time.Minute     // each attempt doubles it up to here
	calm       = time.Minute     // who ran for so long has come back for good: the next pause is the first one
	remindTime = 5 * time.Minute // between two lines about a server that does not run
)

// keepers look after the nodes.
type keepers struct {
	news chan string // what became of nodes that had ended
	end  context.CancelFunc
	wait sync.WaitGroup
}

func (c *Cluster) beginKeeping() {
	c.keepers.news = make(chan string, 4*len(c.nodes()))
	if !c.options.Degraded && !c.options.Revive {
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	c.keepers.end = cancel
	for _, n := range c.nodes() {
		c.keepers.wait.Go(func() { c.keep(ctx, n) })
	}
}

func (k *keepers) stop() {
	if k.end != nil {
		k.end()
	}
	k.wait.Wait()
}

// News tells what becomes of servers that have ended: when one is started again, and that it
// runs. Who does not read it misses some.
func (c *Cluster) News() <-chan string { return c.keepers.news }

func (c *Cluster) tell(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	c.options.Logger.Warn(text)
	select {
	case c.keepers.news <- text:
	default: // it is in the log
	}
}

// keep looks after one node until ctx ends.
func (c *Cluster) keep(ctx context.Context, n *node) {
	remind := time.NewTicker(remindTime)
	defer remind.Stop()
	pause := firstPause
	for {
		select {
		case <-ctx.Done():
			return
		case <-remind.C:
			if err := n.broken(); err != nil {
				c.options.Logger.Warn("a server of the cluster does not run", "server", n.name, "reason", err)
			}
			continue
		case <-n.wake:
		}
		ran, asked := n.reap(ctx)
		switch {
		case asked && c.options.Revive:
			c.tell("%s ended with status 0, so it was told to end: it stays down", n.name)
			continue
		case asked || !c.options.Revive:
			continue
		case ran >= calm:
			pause = firstPause
		}
		for again := true; again; pause = min(2*pause, mostPause) {
			again = c.revive(ctx, n, pause)
		}
	}
}

// revive starts a node again after a pause, and says whether that has to be tried again.
func (c *Cluster) revive(ctx context.Context, n *node, pause time.Duration) (again bool) {
	if !n.down() {
		return false
	}
	c.tell("%s is started again in %v", n.name, pause)
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
	}
	if n.role != datadir.Agent {
		c.findRemoved(ctx)
	}
	switch err := n.revive(ctx); {
	case ctx.Err() != nil || errors.Is(err, errNotWanted):
		return false
	case err != nil:
		c.tell("%v", err)
		return true
	}
	c.tell("%s was started again", n.name)
	return false
}

// errNotWanted is a node that was stopped, or removed, before it was started again.
var errNotWanted = errors.New("it is to stay down")

// down says whether a node that ought to run does not.
func (n *node) down() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return (n.wanted || failpoint.Off("stopped-stays-down")) && n.run == nil && !n.gone
}

// broken is why a node that ought to run does not, or does not serve; nil if it does.
func (n *node) broken() error {
	if err := n.failure(); err != nil {
		return err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.wanted && !n.gone && (n.run == nil || n.late) {
		return n.fault
	}
	return nil
}

// ended is called by whoever waits for the node's end: it ended without being told.
func (n *node) ended(err error) {
	n.report(err)
	n.woken()
}

func (n *node) woken() {
	select {
	case n.wake <- struct{}{}:
	default: // its keeper will look
	}
}

// reap clears away what is left of a node that has ended, and says how long it had run
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

// revive starts a node that is down.
func (n *node) revive(ctx context.Context) error {
	n.order.Lock()
	defer n.order.Unlock()
	if !n.down() {
		return errNotWanted
	}
	return n.bringUp(ctx)
}
