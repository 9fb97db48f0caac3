package minicluster

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"

	"stasis/internal/datadir"
	"stasis/internal/wait"
)

// A server that ends by itself does not end the cluster. Each server has a goroutine that logs
// that it does not run, and with Options.Revive starts it again.

const (
	firstPause = time.Second     // before the first attempt to start a server again
	mostPause  = time.Minute     // each attempt doubles it up to here
	calm       = time.Minute     // a server that ran for so long has recovered: the next pause is the first one
	remindTime = 5 * time.Minute // between two log lines about a server that does not run
)

// revival looks after the servers of a cluster that have ended.
type revival struct {
	logger      hclog.Logger
	revive      bool                  // start them again
	markRemoved func(context.Context) // see observer.markRemoved
	news        chan string           // what became of nodes that had ended
	end         context.CancelFunc
	watchers    sync.WaitGroup
}

// begin looks after the nodes until stop is called.
func (r *revival) begin(nodes []*node) {
	ctx, cancel := context.WithCancel(context.Background())
	r.end = cancel
	for _, n := range nodes {
		r.watchers.Go(func() { r.watch(ctx, n) })
	}
}

func (r *revival) stop() {
	if r.end != nil {
		r.end()
	}
	r.watchers.Wait()
}

func (r *revival) tell(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	r.logger.Warn(text)
	select {
	case r.news <- text:
	default: // it is in the log
	}
}

// watch looks after one node until ctx ends.
func (r *revival) watch(ctx context.Context, n *node) {
	remind := time.NewTicker(remindTime)
	defer remind.Stop()
	pause := firstPause
	for {
		select {
		case <-ctx.Done():
			return
		case <-remind.C:
			if err := n.broken(); err != nil {
				r.logger.Warn("a server of the cluster does not run", "server", n.name, "reason", err)
			}
			continue
		case <-n.wake:
		}
		ran, asked := n.reap(ctx)
		switch {
		case asked && r.revive:
			r.tell("%s ended with status 0, so it was told to end: it stays down", n.name)
			continue
		case asked || !r.revive:
			continue
		case ran >= calm:
			pause = firstPause
		}
		for again := true; again; pause = min(2*pause, mostPause) {
			again = r.startAgain(ctx, n, pause)
		}
	}
}

// startAgain starts a node again after a pause. again is true if that has to be tried once more.
func (r *revival) startAgain(ctx context.Context, n *node, pause time.Duration) (again bool) {
	if !n.down() {
		return false
	}
	r.tell("%s is started again in %v", n.name, pause)
	if err := wait.For(ctx, pause); err != nil {
		return false // the cluster is being stopped
	}
	if n.role != datadir.Agent {
		r.markRemoved(ctx)
	}
	switch err := n.revive(ctx); {
	case ctx.Err() != nil || errors.Is(err, errNotWanted):
		return false
	case err != nil:
		r.tell("%v", err)
		return true
	}
	r.tell("%s was started again", n.name)
	return false
}
