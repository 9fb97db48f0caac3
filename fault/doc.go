// Package fault breaks what a cluster stands on: its network, its disks, and its operations at a chosen step.
// It is for tests of a cluster that package minicluster runs in one process, and for every other program that takes
// its network and its disk from outside.
//
// The package is experimental: names may change until the fault lab is finished.
//
// # A network
//
// A [Network] is in memory and has named hosts. Each direction between two of them can be cut, delayed and
// throttled; a host can be isolated or frozen; connections can be reset, and lose what they carry:
//
//	net := fault.NewNetwork()
//	cluster, err := minicluster.Start(ctx, minicluster.Options{…, Seams: minicluster.Seams{Network: net.Host}})
//	…
//	net.Cut("coordinator-1", "dbserver-2") // one way: dbserver-2 is still heard
//	net.Isolate("agent-3")                 // both ways, from all
//	net.HealAll()
//
// # Disks
//
// A [Disk] is in memory, or wraps a real one. It fails, hangs, gets slow, fills up and loses what was not synced.
// [Disks] has one for each server of a cluster:
//
//	disks := fault.NewDisks()
//	… minicluster.Seams{Disks: disks.FS}
//	f := disks.Of("dbserver-2").Hang(fault.Calls{Kinds: fault.Sync})
//	<-f.Reached() // a sync hangs
//	f.End()
//
// A power cut takes four steps, because the server must not acknowledge anything after the moment
// of which the disk is kept:
//
//	net.Isolate("dbserver-2")
//	disks.Of("dbserver-2").Crash(0, nil) // nothing that was not synced is left
//	cluster.Kill("dbserver-2")
//	net.Rejoin("dbserver-2")
//	cluster.Restart(ctx, "dbserver-2")
//
// # Triggers
//
// Servers report each step of a backup, a restore or a transfer as an event, before they go on. [Triggers] act at a step:
//
//	var at fault.Triggers
//	… minicluster.Seams{Steps: at.Sink}
//	at.On(fault.Moment{Step: event.CutDone}, func(context.Context, event.Event) { net.Isolate("coordinator-1") })
//	held := at.Hold(fault.Moment{Step: event.Committing})
//	<-held.Reached()
//	…
//	held.End()
//
// # A fault that did not happen proves nothing
//
// A test of a fault that was never met passes for the wrong reason. [Network.Met], [DiskFault.Met] and [Trigger.Met]
// tell whether it was; a test checks them.
//
// # Time
//
// Nothing here has goroutines of its own, and waits are for channels and timers of the standard library. In a bubble
// of testing/synctest delays are exact and cost no real time. Make the Network in the bubble. Disks and Triggers may be made
// outside, their faults and triggers inside.
package fault
