// Package minicluster starts a whole cluster on one machine, waits until it
// serves, breaks it on purpose and stops it: for `stasis up`, for tests, and for
// whoever wants to see what a fault does.
//
// In mode InProcess all servers run in this process, in mode Processes each is a
// child process that can be killed for real. Both run the same code; in process
// the network, the disks and the timing can be replaced besides. Nodes are named
// agent-1, dbserver-2, coordinator-1, …
//
// It owns the cluster's directory: cluster.json says of how many servers the
// cluster was created and where they listen, logs/ has the logs of child
// processes, and every server has a data directory of its name. The same cluster
// comes back from the same directory. cluster.json is written, durably, before
// anything is started; after a crash before that there is no cluster yet.
//
// A server that ends by itself does not end the others. What becomes of it is up to
// Options.Degraded and Options.Revive: keeper.go.
//
// Children end with this process, however it ends: they notice that their
// standard input is at its end. Whoever calls Start must call Stop; Stop is
// bounded and waits for everything.
//
// All methods may be called from any goroutine; Kill, Restart and Stop of one
// node wait for each other.
package minicluster
