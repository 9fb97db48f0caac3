package world

import (
	"context"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"stasis/client"
	"stasis/event"
	"stasis/fault"
	"stasis/fault/control"
	"stasis/lab/reader"
	"stasis/minicluster"
)

// processes is the world [Processes].
type processes struct {
	dir     string
	cluster *minicluster.Cluster
	net     *processNetwork
	orders  *orders
	tallies *tallies
	web     *http.Client
	clients []*client.Client
	remote  processRemote
	skews   map[string]time.Duration // of the wall clocks, apart from faults
	delays  *order                   // nil: none
	stream  stream
	unwatch func() // nil: nothing is watched
	paused  set    // by Pause
	frozen  set    // by Network().Freeze

	mu    sync.Mutex // guards holds; not held over a wait
	holds []*processHold
}

func (w *processes) Kind() Kind                    { return Processes }
func (w *processes) Cluster() *minicluster.Cluster { return w.cluster }
func (w *processes) Clients() []*client.Client     { return w.clients }
func (w *processes) HTTP() *http.Client            { return w.web }
func (w *processes) Nodes() []minicluster.Node     { return nodes(w.cluster) }
func (w *processes) Network() Network              { return w.net }

func (w *processes) Crash(string, int) error { return Can(Processes, PowerCut) }

// SkewClock sets the clock off beside what it is off from the start.
func (w *processes) SkewClock(server string, by time.Duration) error {
	if _, err := node(w.Nodes(), server); err != nil {
		return err
	}
	o := control.Order{Do: control.Clock, Server: server, By: w.skews[server] + by}
	skew := "skew of " + server // the condition, which has another key, stands on
	if by == 0 {
		return w.orders.takeBack(skew, o)
	}
	_, err := w.orders.stand(order{Order: o, key: skew})
	return err
}

// Delayed implements [World].
func (w *processes) Delayed() int {
	if w.delays == nil {
		return 0
	}
	return w.delays.Met()
}

func (w *processes) Disk(server string) (Disk, error) {
	if _, err := node(w.Nodes(), server); err != nil {
		return nil, err
	}
	if agent(server) {
		if err := Can(Processes, AgentDisks); err != nil {
			return nil, err
		}
	}
	return processDisk{w.orders, server}, nil
}

func (w *processes) Remote() Remote { return w.remote }

func (w *processes) Watch(see func(event.Event)) (stop func()) { return w.stream.watch(see) }

// Hold holds also in processes that are started later. Moment.After counts the events of each process by itself.
func (w *processes) Hold(m fault.Moment) (Held, error) {
	h := newProcessHold(m, &w.stream)
	held, err := w.cluster.Lab().Hold(context.Background(), m) // it has a limit of its own
	if err != nil {
		h.End()
		return nil, err
	}
	h.at(held, nil, held.Event, held.End)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.holds = append(w.holds, h)
	return h, nil
}

// armed are the holds that have not met their moment.
func (w *processes) armed() []*processHold {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.holds = slices.DeleteFunc(w.holds, (*processHold).spent)
	return slices.Clone(w.holds)
}

func (w *processes) Pieces(backup string) ([]reader.Piece, error) {
	return piecesOn(placesOf(w, w.dir, realDisk), backup)
}

func (w *processes) Left(ctx context.Context) ([]string, error) {
	for _, n := range w.Nodes() {
		if n.PID == 0 { // what it told last may have come after its end
			w.stream.gates.gone(n.ID)
		}
	}
	return look{w.cluster, w.web, w.clients, placesOf(w, w.dir, realDisk), &w.stream.gates}.left(ctx)
}

// realDisk is where a process has its data.
func realDisk(string) vfs.FS { return vfs.Default }
