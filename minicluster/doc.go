// Package minicluster starts a whole cluster on one machine, waits until it serves, breaks it on purpose and
// stops it. It is for tests, for `stasis up`, and for everyone who wants to see what a fault does.
//
// The package is experimental: names may change until the fault lab is finished.
//
// # Start and stop
//
//	cluster, err := minicluster.Start(ctx, minicluster.Options{Dir: dir, Agents: 3, DBServers: 3, Coordinators: 2})
//	if err != nil { … }
//	defer cluster.Stop(context.Background())
//	if err := cluster.Ready(ctx); err != nil { … }
//	_, _, coordinators := cluster.Nodes()
//	c, err := client.New(coordinators[0].URL, client.Options{})
//
// Servers are named agent-1, dbserver-2, coordinator-1 and so on, and so are their hosts and disks. Events, statuses and
// errors have the ids of servers instead: [Cluster.Nodes] lists both. The short names that users see (DBServer0001) are given
// in another order.
//
// In mode [InProcess] all servers run in this process; in mode [Processes] each is a child process of the stasis binary,
// which is given as [Program]. Both modes run the same code.
//
// # Break
//
// [Cluster.Kill], [Cluster.Restart], [Cluster.Pause] and [Cluster.Resume] act on one server. [Cluster.Lose] loses its disk, and
// [Cluster.Recover] makes an agency of the one agent that is left. In process, [Seams] replace
// the network, the disks and the clocks, so that package fault can break each of them, at a chosen step of a backup:
//
//	net, disks := fault.NewNetwork(), fault.NewDisks()
//	var at fault.Triggers
//	cluster, err := minicluster.Start(ctx, minicluster.Options{
//		Agents: 3, DBServers: 3, Coordinators: 2,
//		Seams: minicluster.Seams{Network: net.Host, Disks: disks.FS, Steps: at.Sink},
//	})
//	…
//	at.On(fault.Moment{Step: event.CutDone}, func(context.Context, event.Event) { net.Isolate("coordinator-1") })
//
// A program talks to such a cluster from a host of its own:
//
//	web := &http.Client{Transport: &http.Transport{DialContext: net.Host("client").DialContext}}
//	c, err := client.New(coordinators[0].URL, client.Options{HTTP: web})
//
// # In virtual time
//
// A cluster with network, disks and agents in memory runs in a bubble of testing/synctest. Timeouts,
// leases and grace periods then take no real time. Make the network in the bubble, and before the bubble ends call
// CloseIdleConnections of every HTTP client, Stop of the cluster and Close of the network:
//
//	synctest.Test(t, func(t *testing.T) {
//		net, disks := fault.NewNetwork(), fault.NewDisks()
//		… // start, as above
//		defer func() {
//			net.HealAll() // servers that hang cannot be stopped
//			disks.HealAll()
//			web.CloseIdleConnections()
//			_ = cluster.Stop(context.Background()) // t.Context() may have ended
//			_ = net.Close()
//		}()
//		…
//	})
//
// Module example in this repository has whole tests to copy. Its go.mod shows how a module outside this one
// gets these packages: it requires stasis, replaced by the folder of a checkout, and `go mod tidy` adds the rest.
//
// # Check
//
// Package client asks the cluster, and verifies backups. Package lab/workload has clients whose history is
// recorded, and the check that a restored state is one instant.
//
// # The directory
//
// The cluster owns its directory. cluster.json holds how many servers the cluster was created with and where they
// listen, logs/ has the logs of child processes, and every server has a data directory of its name. The same
// cluster comes back from the same directory. cluster.json is written, durably, before a server is started; after
// a crash before that there is no cluster yet.
//
// # The end of a server
//
// A server that ends by itself does not end the others: [Options.Degraded] and [Options.Revive] say what follows. Children
// end with this process, however it ends: they notice that their standard input is at its end. Each Start needs a Stop, which
// is bounded and waits for everything.
package minicluster
