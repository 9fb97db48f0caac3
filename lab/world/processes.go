package world

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"stasis/client"
	"stasis/event"
	"stasis/fault"
	"stasis/internal/network"
	"stasis/lab/reader"
	"stasis/minicluster"
)

// processes is the world [Processes].
type processes struct {
	dir     string
	cluster *minicluster.Cluster
	web     *http.Client
	clients []*client.Client
	stream  stream
	follow  *followers
}

func startProcesses(ctx context.Context, c Config) (_ World, err error) {
	w := &processes{dir: c.Dir, web: network.NewHTTPClient(network.TCP())}
	w.cluster, err = minicluster.Start(ctx, minicluster.Options{
		Dir: c.Dir, Mode: minicluster.Processes, Agents: c.Agents, DBServers: c.DBServers, Coordinators: c.Coordinators,
		Logger: c.logger(), Timing: minicluster.Timing{Grace: c.Grace}, Program: minicluster.Program{Path: c.Program},
	})
	if err != nil {
		return nil, err
	}
	if err = w.cluster.Ready(ctx); err == nil {
		w.clients, err = clientsOf(w.cluster, w.web)
	}
	if err != nil {
		return nil, errors.Join(err, w.Close(context.WithoutCancel(ctx)))
	}
	w.follow = followSteps(w.clients, w.stream.tell)
	return w, nil
}

func (w *processes) Kind() Kind                    { return Processes }
func (w *processes) Cluster() *minicluster.Cluster { return w.cluster }
func (w *processes) Clients() []*client.Client     { return w.clients }
func (w *processes) HTTP() *http.Client            { return w.web }
func (w *processes) Nodes() []minicluster.Node     { return nodes(w.cluster) }
func (w *processes) Network() Network              { return noNetwork{} }

func (w *processes) Kill(server string) error { return w.cluster.Kill(server) }

func (w *processes) Restart(ctx context.Context, server string) error {
	return w.cluster.Restart(ctx, server)
}

func (w *processes) Pause(server string) error  { return w.cluster.Pause(server) }
func (w *processes) Resume(server string) error { return w.cluster.Resume(server) }

func (w *processes) Crash(string, int) error               { return Can(Processes, PowerCut) }
func (w *processes) SkewClock(string, time.Duration) error { return Can(Processes, ClockSkew) }
func (w *processes) Disk(string) (Disk, error)             { return nil, Can(Processes, DiskFaults) }
func (w *processes) Hold(fault.Moment) (Held, error)       { return nil, Can(Processes, Holds) }

func (w *processes) Watch(see func(event.Event)) (stop func()) { return w.stream.watch(see) }

func (w *processes) Pieces(backup string) ([]reader.Piece, error) {
	return piecesOn(w.places(), backup)
}

func (w *processes) Left(ctx context.Context) ([]string, error) {
	return look{w.cluster, w.web, w.clients, w.places()}.left(ctx)
}

func (w *processes) places() []place {
	var all []place
	for _, name := range dbservers(w.cluster) {
		all = append(all, place{server: name, fs: vfs.Default, dir: dataDir(w.dir, name)})
	}
	return all
}

// HealAll lets all servers go on that are paused.
func (w *processes) HealAll() error {
	var errs []error
	for _, n := range w.Nodes() {
		if n.PID != 0 {
			errs = append(errs, w.cluster.Resume(n.Name))
		}
	}
	return errors.Join(errs...)
}

func (w *processes) Close(ctx context.Context) error {
	if w.follow != nil {
		w.follow.stop()
	}
	err := w.HealAll()
	w.web.CloseIdleConnections()
	return errors.Join(err, w.cluster.Stop(ctx))
}

// noNetwork is the network of a world whose network is the system's.
type noNetwork struct{}

func (noNetwork) cannot() error { return Can(Processes, LinkFaults) }

func (n noNetwork) Cut(string, string) error                  { return n.cannot() }
func (n noNetwork) Heal(string, string) error                 { return n.cannot() }
func (n noNetwork) HealAll() error                            { return nil }
func (n noNetwork) Delay(string, string, time.Duration) error { return n.cannot() }
func (n noNetwork) Throttle(string, string, int64) error      { return n.cannot() }
func (n noNetwork) Drop(string, string) error                 { return n.cannot() }
func (n noNetwork) Reset(string, string) error                { return n.cannot() }
func (n noNetwork) Isolate(string) error                      { return n.cannot() }
func (n noNetwork) Rejoin(string) error                       { return n.cannot() }
func (n noNetwork) Freeze(string) error                       { return n.cannot() }
func (n noNetwork) Thaw(string) error                         { return n.cannot() }
func (n noNetwork) Message(fault.Message) (Met, error)        { return nil, Can(Processes, Messages) }
func (n noNetwork) Met(string, string) (int, error)           { return 0, n.cannot() }
