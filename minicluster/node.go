package minicluster

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"stasis/agency"
	"stasis/internal/datadir"
)

// stopLimit bounds a clean stop of one role; what runs on is killed.
const stopLimit = 10 * time.Second

// errKilled ends what a node was doing when it is killed.
var errKilled = errors.New("killed")

// Node is one server of the cluster, for people and tests.
type Node struct {
	Name string // "dbserver-2"
	ID   string // "PRMR-…"
	URL  string
	PID  int // 0 in process, and while it does not run
	// Removed says that the cluster has removed it, and that it was therefore not
	// started. Restart has it join again, as if it were new.
	Removed bool
}

// node is one server, running or not.
type node struct {
	name    string
	role    datadir.Role
	id      string
	address string
	launch  launcher
	stores  *agency.Stores // of an agent in memory
	report  func(error)    // for a death that nobody ordered

	order sync.Mutex // held by whoever starts, stops or kills
	mu    sync.Mutex // guards run
	run   running    // nil: does not run
	gone  bool       // removed from the cluster before it was started
}

// launcher brings a node to life. ctx bounds the start only. Both kinds return
// with the server's process or goroutines running; in process it serves already.
type launcher func(ctx context.Context, n *node) (running, error)

// running is a node's life.
type running interface {
	pid() int
	// done is closed when the server has ended by itself or as told.
	done() <-chan struct{}
	// failure says why it ended, if nobody told it to. Only after done.
	failure() error
	// stop ends it cleanly, or by force when ctx ends.
	stop(ctx context.Context) error
	// kill ends it without giving it time for anything.
	kill()
	// pause stops it where it is, and resume lets it go on.
	pause() error
	resume() error
}

func (n *node) running() running {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.run
}

func (n *node) become(r running) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.run = r
	n.gone = n.gone && r == nil
}

func (n *node) removed() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.gone
}

// failure is what the node died of by itself, or nil.
func (n *node) failure() error {
	r := n.running()
	if r == nil {
		return nil
	}
	select {
	case <-r.done():
		return r.failure()
	default:
		return nil
	}
}

func (n *node) start(ctx context.Context) error {
	n.order.Lock()
	defer n.order.Unlock()
	if n.running() != nil {
		return nil
	}
	r, err := n.launch(ctx, n)
	if err != nil {
		return fmt.Errorf("start %s: %w", n.name, err)
	}
	n.become(r)
	return nil
}

// stop returns when nothing of the node is left, with what went wrong in its
// life and at its end.
func (n *node) stop(ctx context.Context) error {
	n.order.Lock()
	defer n.order.Unlock()
	r := n.running()
	if r == nil {
		return nil
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
	if r := n.running(); r != nil {
		r.kill()
		n.become(nil)
	}
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

func (n *node) describe() Node {
	d := Node{Name: n.name, ID: n.id, URL: "http://" + n.address, Removed: n.removed()}
	r := n.running()
	if r == nil {
		return d
	}
	select {
	case <-r.done():
	default:
		d.PID = r.pid()
	}
	return d
}
