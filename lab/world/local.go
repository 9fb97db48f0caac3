package world

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"stasis/client"
	"stasis/event"
	"stasis/fault"
	"stasis/internal/network"
	"stasis/lab/reader"
	"stasis/minicluster"
)

// local is a world in this process: [Bubble] and [InProcess].
type local struct {
	kind    Kind
	crew    crew
	dir     string
	cluster *minicluster.Cluster
	net     *localNetwork
	disks   *fault.Disks
	hangs   map[string]*hangs        // of all servers
	halts   halts                    // of those that are paused
	skews   map[string]time.Duration // of the wall clocks, apart from faults
	clocks  fault.WallClocks
	delays  *fault.Buggified // nil: none
	remote  localRemote
	stream  stream
	web     *http.Client
	clients []*client.Client

	chance sync.Mutex // guards random
	random *rand.Rand
}

// startLocal starts a cluster in this process. In a bubble its network and its disks are in memory.
func startLocal(ctx context.Context, kind Kind, c Config) (_ World, err error) {
	net, disks := fault.NewNetwork(), fault.NewDisks()
	if kind == InProcess {
		net, disks = fault.NewNetworkOver(&loopback{}, nameOf), fault.WrapDisks(vfs.Default)
	}
	w := &local{
		kind: kind, crew: newCrew(), dir: c.Dir, net: newLocalNetwork(net, c), disks: disks,
		hangs: map[string]*hangs{}, skews: c.skews(), random: rand.New(rand.NewPCG(c.Seed, 1)),
	}
	if w.remote, err = newLocalRemote(kind, c.Dir, disks); err != nil {
		return nil, errors.Join(err, net.Close())
	}
	w.setClocks()
	if c.Buggify > 0 {
		if w.delays, err = fault.Buggify(c.Seed, c.Buggify, longestDelay); err != nil {
			return nil, errors.Join(err, net.Close())
		}
	}
	w.web = network.NewHTTPClient(w.net.net.Host(Client))
	o := minicluster.Options{
		Dir: c.Dir, Agents: c.Agents, DBServers: c.DBServers, Coordinators: c.Coordinators, Logger: c.logger(),
		Timing: minicluster.Timing{Grace: c.Grace},
		Seams: minicluster.Seams{
			Network: w.net.net.Host, Disks: w.disks.FS, Wall: w.clocks.Now, Steps: w.stream.sink,
			Remotes: &remoteFolders{disk: w.remote.disk},
		},
	}
	if err = w.crew.run(func() (err error) { w.cluster, err = minicluster.Start(ctx, c.adjusted(o)); return err }); err != nil {
		return nil, errors.Join(err, w.Close(context.WithoutCancel(ctx)))
	}
	for _, n := range w.Nodes() {
		w.hangs[n.Name] = &hangs{}
	}
	if err = w.cluster.Ready(ctx); err == nil {
		w.clients, err = clientsOf(w.cluster, w.web)
	}
	if err != nil {
		return nil, errors.Join(err, w.Close(context.WithoutCancel(ctx)))
	}
	return w, nil
}

func clientsOf(c *minicluster.Cluster, web *http.Client) ([]*client.Client, error) {
	_, _, coordinators := c.Nodes()
	all := make([]*client.Client, len(coordinators))
	for i, n := range coordinators {
		var err error
		if all[i], err = client.New(n.URL, client.Options{HTTP: web}); err != nil {
			return nil, err
		}
	}
	return all, nil
}

func (w *local) Kind() Kind                    { return w.kind }
func (w *local) Cluster() *minicluster.Cluster { return w.cluster }
func (w *local) Clients() []*client.Client     { return w.clients }
func (w *local) HTTP() *http.Client            { return w.web }
func (w *local) Nodes() []minicluster.Node     { return nodes(w.cluster) }
func (w *local) Network() Network              { return w.net }

// Kill ends a server. Hangs of its disk end with it, once it is cut off: it acknowledges nothing more. Its connections break at
// once, although it may take a while until it has ended: an answer that arrives after that would come from the dead.
func (w *local) Kill(server string) error {
	return w.off(server, func(kill func() error) error {
		w.net.breakOff(server)
		return kill()
	})
}

// off does something to a server that is cut off meanwhile, and that is not frozen. kill kills it, whatever its disk does.
func (w *local) off(server string, do func(kill func() error) error) error {
	n, err := node(w.Nodes(), server)
	if err != nil {
		return err
	}
	defer w.stream.gates.gone(n.ID)
	return w.net.whileOff(server, func() error {
		return do(func() error {
			w.hangs[server].end()
			w.goOn(n)
			return w.cluster.Kill(server)
		})
	})
}

func (w *local) Restart(ctx context.Context, server string) error {
	n, err := node(w.Nodes(), server)
	if err != nil {
		return err
	}
	w.hangs[server].end()
	w.goOn(n)
	w.net.awake(server)
	defer w.stream.gates.gone(n.ID) // what it was until now; nothing is backed up before it serves
	return w.crew.run(func() error { return w.cluster.Restart(ctx, server) })
}

// Pause stops what a server does to others, to its disk and to those who watch: see pauses for what goes on.
func (w *local) Pause(server string) error {
	n, err := node(w.Nodes(), server)
	if err != nil {
		return err
	}
	if err := w.net.pause(server); err != nil {
		return err
	}
	if w.stream.pauses.begin(n.ID) {
		w.halts.add(server, w.hangs[server].add(w.disks.Of(server).Hang(fault.Calls{})))
	}
	return nil
}

func (w *local) Resume(server string) error {
	n, err := node(w.Nodes(), server)
	if err != nil {
		return err
	}
	w.goOn(n)
	return w.net.resume(server)
}

// goOn ends a pause but for the network.
func (w *local) goOn(n minicluster.Node) {
	w.halts.end(n.Name)
	w.stream.pauses.end(n.ID)
}

// Crash takes the state of the disk after the server was cut off, and breaks its connections: what it says after the crash
// never arrives.
func (w *local) Crash(server string, unsyncedPercent int) error {
	if err := Can(w.kind, PowerCut); err != nil {
		return err
	}
	if unsyncedPercent < 0 || unsyncedPercent > 100 {
		return fmt.Errorf("a power cut of %s: %d %% of what was not synced cannot be left", server, unsyncedPercent)
	}
	w.chance.Lock()
	random := rand.New(rand.NewPCG(w.random.Uint64(), 2))
	w.chance.Unlock()
	return w.off(server, func(kill func() error) error {
		err := w.disks.Of(server).Crash(unsyncedPercent, random)
		w.net.breakOff(server)
		return errors.Join(err, kill())
	})
}

// Lose takes the disk when the server has ended, which its faults cannot keep from that.
func (w *local) Lose(server string) error {
	return w.off(server, func(kill func() error) error {
		w.net.breakOff(server)
		w.disks.Of(server).HealAll()
		return errors.Join(kill(), w.cluster.Lose(server))
	})
}

func (w *local) Start(ctx context.Context, server string) error {
	return w.crew.run(func() error { return w.cluster.Launch(ctx, server) })
}

func (w *local) Recover(agent string) error { return w.cluster.Recover(agent) }

// SkewClock sets the clock off beside what it is off from the start.
func (w *local) SkewClock(server string, by time.Duration) error {
	if _, err := node(w.Nodes(), server); err != nil {
		return err
	}
	w.clocks.Of(server).Skew(w.skews[server] + by)
	return nil
}

// Delayed implements [World].
func (w *local) Delayed() int {
	if w.delays == nil {
		return 0
	}
	return w.delays.Met()
}

// setClocks takes back all SkewClock.
func (w *local) setClocks() {
	w.clocks.Heal()
	for server, by := range w.skews {
		w.clocks.Of(server).Skew(by)
	}
}

func (w *local) Disk(server string) (Disk, error) {
	if _, err := node(w.Nodes(), server); err != nil {
		return nil, err
	}
	return localDisk{kind: w.kind, disk: w.disks.Of(server), hangs: w.hangs[server], halt: func() *fault.DiskFault { return w.halts.of(server) }}, nil
}

func (w *local) Remote() Remote { return w.remote }

func (w *local) Watch(see func(event.Event)) (stop func()) { return w.stream.watch(see) }

func (w *local) Hold(m fault.Moment) (Held, error) { return w.stream.hold(m), nil }

func (w *local) Pieces(backup string) ([]reader.Piece, error) {
	return piecesOn(placesOf(w, w.dir, w.disks.FS), backup)
}

func (w *local) Left(ctx context.Context) ([]string, error) {
	return look{w.cluster, w.web, w.clients, placesOf(w, w.dir, w.disks.FS), &w.stream.gates}.left(ctx)
}

func (w *local) HealAll() error {
	w.disks.HealAll()
	w.stream.pauses.endAll()
	w.net.paused.clear()
	w.setClocks()
	for _, h := range w.hangs {
		h.end()
	}
	w.remote.hangs.end()
	return w.net.HealAll()
}

// Close also lets go what is held: servers that are stopped wait for it. In a bubble, goroutines that are left are found by the
// bubble, which does not end.
func (w *local) Close(ctx context.Context) error {
	w.stream.letGo()
	err := w.HealAll()
	if w.delays != nil {
		w.delays.End()
	}
	w.web.CloseIdleConnections()
	if w.cluster != nil {
		err = errors.Join(err, w.cluster.Stop(ctx))
	}
	err = errors.Join(err, w.net.net.Close())
	if w.kind == InProcess {
		err = errors.Join(err, w.crew.gone())
	}
	return err
}
