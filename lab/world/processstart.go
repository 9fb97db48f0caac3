package world

import (
	"context"
	"errors"
	"maps"
	"slices"

	"stasis/fault"
	"stasis/fault/control"
	"stasis/internal/network"
	"stasis/minicluster"
)

func startProcesses(ctx context.Context, c Config) (_ World, err error) {
	remote, err := remoteRoot(c.Dir)
	if err != nil {
		return nil, err
	}
	cluster, err := minicluster.Start(ctx, c.adjusted(minicluster.Options{
		Dir: c.Dir, Mode: minicluster.Processes, Agents: c.Agents, DBServers: c.DBServers, Coordinators: c.Coordinators, Lab: true,
		Logger: c.logger(), Timing: minicluster.Timing{Grace: c.Grace}, Program: minicluster.Program{Path: c.Program, DBServerFlags: []string{"--backup.local-root=" + remote}},
	}))
	if err != nil {
		return nil, err
	}
	w := newProcesses(cluster, c)
	w.remote, w.skews = processRemote{remote}, c.skews()
	if err = begin(ctx, w, c); err != nil {
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
func begin(ctx context.Context, w *processes, c Config) (err error) {
	if err := w.cluster.Ready(ctx); err != nil {
		return err
	}
	if w.unwatch, err = follow(ctx, w.cluster.Lab(), &w.stream); err != nil {
		return err
	}
	if w.clients, err = clientsOf(w.cluster, w.web); err != nil {
		return err
	}
	for _, o := range conditions(c) {
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

// follow brings the events of all processes into a stream. A machine with much to do may need some time to connect to all.
func follow(ctx context.Context, lab *minicluster.Lab, s *stream) (stop func(), err error) {
	for range 6 {
		if stop, err = lab.Watch(ctx, s.tell); err == nil || ctx.Err() != nil {
			break
		}
	}
	return stop, err
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

// conditions are what processes are ordered to do that is no fault.
func conditions(c Config) []control.Order {
	var all []control.Order
	if c.LatencyMost > 0 {
		all = append(all, control.Order{Do: control.NetLatency, By: c.LatencyLeast, Jitter: c.LatencyMost - c.LatencyLeast, Seed: c.Seed})
	}
	skews := c.skews()
	for _, server := range slices.Sorted(maps.Keys(skews)) {
		all = append(all, control.Order{Do: control.Clock, Server: server, By: skews[server]})
	}
	if c.Buggify > 0 {
		all = append(all, control.Order{Do: control.Buggify, Random: &control.Random{Seed: c.Seed, Probability: c.Buggify, Most: longestDelay}})
	}
	return all
}
