package minicluster

import (
	"context"
	"errors"
	"fmt"
	"strings"
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
	// Broken says why it does not run, or does not serve, although it was not stopped; in one
	// line. "" if it does, or was.
	Broken string
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

	wake    chan struct{} // one token: its keeper is to look
	prepare func() error  // what has to be done once before it is launched; nil: nothing

	order sync.Mutex // held by whoever starts, stops or kills
	mu    sync.Mutex // guards what follows
	run   running    // nil: does not run
	gone  bool       // removed from the cluster before it was started
	life
}

// life is what is known of a node beside what runs.
type life struct {
	wanted bool      // it was started, and not stopped or killed since
	since  time.Time // when run began
	fault  error     // why it does not run, or is late
	owed   error     // what stop has to say of a life that has ended
	late   bool      // it runs, and the cluster became ready without it
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
	// asked says whether it ended as servers do that are asked to. Only after done.
	asked() bool
}

func (n *node) running() running {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.run
}

func (n *node) become(r running) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.run, n.late = r, false
	n.gone = n.gone && r == nil
	if r != nil {
		n.wanted, n.since, n.fault, n.owed = true, time.Now(), nil, nil
	}
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
	return n.bringUp(ctx)
}

// bringUp launches the node; order is held. What is wrong is kept, for the node is wanted.
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

// given is what is known of a node that is not wanted any more.
func (n *node) given() (owed error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	owed = n.owed
	n.life = life{}
	return owed
}

// stop returns when nothing of the node is left, with what went wrong in its
// life and at its end.
func (n *node) stop(ctx context.Context) error {
	n.order.Lock()
	defer n.order.Unlock()
	owed := n.given()
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
	_ = n.given() // it is no failure any more
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
	d := Node{Name: n.name, ID: n.serverID(), URL: "http://" + n.address, Removed: n.removed()}
	if err := n.broken(); err != nil {
		d.Broken = strings.Join(strings.Fields(err.Error()), " ")
	}
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
