package minicluster

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"stasis/fault/control"
	"stasis/internal/datadir"
	"stasis/internal/failpoint"
)

// Node is one server of the cluster.
type Node struct {
	Name string // "dbserver-2"
	ID   string // "PRMR-…": what events, statuses and errors call it
	Role string // "agent", "dbserver" or "coordinator"
	URL  string
	Port int
	Dir  string // its data directory; "" if it keeps all in memory
	PID  int    // 0 in process, and while it does not run
	// State is what it does, as far as this process knows.
	State control.State
	// Removed says that the cluster has removed it (stasis cluster remove), and that it was therefore not
	// started. Restart lets it join again, as a new server.
	Removed bool
	// Broken says, in one line, why it does not run, or does not serve, although it was not stopped. "" if it
	// serves, or was stopped.
	Broken string
}

// node is one server, running or not.
type node struct {
	name   string
	role   datadir.Role
	id     string
	at     site
	launch launcher
	report func(error) // for an end that this process did not cause

	wake    chan struct{} // one token: the node has ended, the revival is to look
	prepare func() error  // what has to be done once before it is launched; nil: nothing

	order sync.Mutex // held while it is started, stopped or killed
	mu    sync.Mutex // guards what follows
	run   running    // nil: does not run
	gone  bool       // removed from the cluster before it was started
	life
}

// site is where a node is.
type site struct {
	address string
	port    int
	dir     string // "": it keeps all in memory
}

// life is what is known of a node beside what runs.
type life struct {
	wanted bool      // it was started, and not stopped or killed since
	since  time.Time // when run began
	fault  error     // why it does not run, or is late
	owed   error     // what stop has to report of a life that has ended
	killed bool      // it was killed through this Cluster, and not started since
	late   bool      // it runs, and the cluster became ready without it
}

// launcher starts a node. ctx bounds the start only. It returns with the server's process or goroutines
// running; in process the server serves already.
type launcher func(ctx context.Context, n *node) (running, error)

// running is one life of a node, from its launch to its end.
type running interface {
	pid() int
	// done is closed when the server has ended, by itself or as told.
	done() <-chan struct{}
	// failure is why it ended without being told to. Only after done.
	failure() error
	// stop ends it cleanly, or by force when ctx ends.
	stop(ctx context.Context) error
	// kill ends it without giving it time for anything.
	kill()
	// pause stops it where it is, and resume lets it go on. paused reports whether it is stopped.
	pause() error
	resume() error
	paused() bool
	// asked reports whether it ended as servers do that are asked to. Only after done.
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
		n.life = life{wanted: true, since: time.Now()}
	}
}

func (n *node) removed() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.gone
}

// remove notes that the cluster has removed the node.
func (n *node) remove() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.gone = true
}

// failure is why the node ended by itself, or nil.
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

func (n *node) alive() bool { return n.running() != nil && n.failure() == nil }

// down reports whether a node that is wanted does not run.
func (n *node) down() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return (n.wanted || failpoint.Off("stopped-stays-down")) && n.run == nil && !n.gone
}

// broken is why a node that is wanted does not run, or does not serve; nil if it serves.
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

// lags notes that a node runs and is not ready.
func (n *node) lags(reason error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.late, n.fault = true, fmt.Errorf("it runs, and is not ready: %w", reason)
}

// serverID is the node's id, "" while its directory could not be read.
func (n *node) serverID() string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.id
}

// identify notes the id that a node's directory has.
func (n *node) identify(id string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.id = id
}

// ended reports that the node ended without being told to.
func (n *node) ended(err error) {
	n.report(err)
	n.woken()
}

func (n *node) woken() {
	select {
	case n.wake <- struct{}{}:
	default: // the revival has been told, and will look
	}
}

func (n *node) describe() Node {
	d := Node{Name: n.name, ID: n.serverID(), Role: string(n.role), URL: "http://" + n.at.address, Port: n.at.port, Dir: n.at.dir, State: n.state(), Removed: n.removed()}
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

// state is what the node does.
func (n *node) state() control.State {
	if n.broken() != nil {
		return control.Broken
	}
	n.mu.Lock()
	run, killed, gone := n.run, n.killed, n.gone
	n.mu.Unlock()
	switch {
	case gone:
		return control.Removed
	case run != nil && run.paused():
		return control.Paused
	case run != nil:
		return control.Running
	case killed:
		return control.Killed
	}
	return control.Stopped
}

// errKilled ends what a node was doing when it is killed.
var errKilled = errors.New("killed")
