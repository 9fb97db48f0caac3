package world

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"stasis/client"
	"stasis/event"
	"stasis/fault"
	"stasis/fault/control"
	"stasis/internal/network"
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

func startProcesses(ctx context.Context, c Config) (_ World, err error) {
	remote, err := remoteRoot(c.Dir)
	if err != nil {
		return nil, err
	}
	cluster, err := minicluster.Start(ctx, minicluster.Options{
		Dir: c.Dir, Mode: minicluster.Processes, Agents: c.Agents, DBServers: c.DBServers, Coordinators: c.Coordinators, Lab: true,
		Logger: c.logger(), Timing: minicluster.Timing{Grace: c.Grace}, Program: minicluster.Program{Path: c.Program, DBServerFlags: []string{"--backup.local-root=" + remote}},
	})
	if err != nil {
		return nil, err
	}
	w := newProcesses(cluster, c)
	w.remote, w.skews = processRemote{remote}, c.skews()
	if err = w.begin(ctx, c); err != nil {
		return nil, errors.Join(err, w.Close(context.WithoutCancel(ctx)))
	}
	return w, nil
}

func newProcesses(cluster *minicluster.Cluster, c Config) *processes {
	names := map[string]string{}
	for _, n := range nodes(cluster) {
		names[hostPort(n)] = n.Name
	}
	here := fault.NewNetworkOver(network.TCP(), func(address string) string { return names[address] })
	w := &processes{dir: c.Dir, cluster: cluster, web: network.NewHTTPClient(here.Host(Client))}
	w.orders = newOrders(cluster.Lab(), func(server string) bool {
		n, err := node(w.Nodes(), server)
		return err == nil && n.State == control.Running
	})
	w.tallies = &tallies{orders: w.orders, links: map[[2]string]*tally{}}
	w.net = &processNetwork{hosts: hostsOf(c), orders: w.orders, tallies: w.tallies, here: here}
	w.net.pause = func(server string) error { return w.stop(server, &w.frozen) }
	w.net.resume = func(server string) error { return w.goOn(server, &w.frozen) }
	return w
}

// begin waits until the cluster is ready, and gives it what is no fault.
func (w *processes) begin(ctx context.Context, c Config) (err error) {
	if err := w.cluster.Ready(ctx); err != nil {
		return err
	}
	if err := w.follow(ctx); err != nil {
		return err
	}
	if w.clients, err = clientsOf(w.cluster, w.web); err != nil {
		return err
	}
	for _, o := range c.conditions() {
		stands, err := w.orders.stand(order{Order: o, key: key(o), stays: true})
		if err != nil {
			return err
		}
		if o.Do == control.Buggify {
			w.delays = stands
		}
	}
	if c.LatencyMost > 0 {
		w.net.here.Latency(c.LatencyLeast, c.LatencyMost, c.Seed)
	}
	return nil
}

// follow brings the events of all processes into the stream. A machine with much to do may need some time to connect to all.
func (w *processes) follow(ctx context.Context) (err error) {
	for range 6 {
		if w.unwatch, err = w.cluster.Lab().Watch(ctx, w.stream.tell); err == nil || ctx.Err() != nil {
			return err
		}
	}
	return err
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
	w.holds = slices.DeleteFunc(w.holds, (*processHold).over)
	return slices.Clone(w.holds)
}

func (w *processes) Pieces(backup string) ([]reader.Piece, error) {
	return piecesOn(w.places(), backup)
}

func (w *processes) Left(ctx context.Context) ([]string, error) {
	for _, n := range w.Nodes() {
		if n.PID == 0 { // what it told last may have come after its end
			w.stream.gates.gone(n.ID)
		}
	}
	return look{w.cluster, w.web, w.clients, w.places(), &w.stream.gates}.left(ctx)
}

func (w *processes) places() []place {
	var all []place
	for _, n := range w.Nodes() {
		all = append(all, place{server: n.Name, fs: vfs.Default, dir: dataDir(w.dir, n.Name)})
	}
	return all
}

// HealAll lets all servers go on that are paused, and takes back all else.
func (w *processes) HealAll() error {
	var errs []error
	for _, n := range w.Nodes() {
		w.paused.remove(n.Name)
		errs = append(errs, w.goOn(n.Name, &w.frozen))
	}
	w.net.here.HealAll()
	return errors.Join(append(errs, w.orders.heal())...)
}

// Close also lets go what is held.
func (w *processes) Close(ctx context.Context) error {
	w.mu.Lock()
	holds := w.holds
	w.holds = nil
	w.mu.Unlock()
	for _, h := range holds {
		h.End()
	}
	err := errors.Join(w.HealAll(), w.cluster.Stop(ctx))
	if w.unwatch != nil {
		w.unwatch()
	}
	w.web.CloseIdleConnections()
	return errors.Join(err, w.net.here.Close())
}
