// Package fault breaks what a cluster stands on: its network, its disks, and its operations at a chosen step.
// It is for tests of a cluster that package minicluster runs in one process, and for every other program that takes
// its network and its disk from outside.
//
// The package is experimental: names may change until the fault lab is finished.
//
// # A network
//
// A [Network] has named hosts. It is in memory ([NewNetwork]), or it stands over a real one ([NewNetworkOver]). A host
// has what package net has: it listens and dials. A cluster gets it as
//
//	net := fault.NewNetwork()
//	cluster, err := minicluster.Start(ctx, minicluster.Options{…, Seams: minicluster.Seams{Network: net.Host}})
//
// Every rule is for one direction: from the host that sends to the host that receives. A network is broken in two layers.
//
// The layer of bytes is that of TCP. It knows connections and pieces of streams, and not what they mean. Its rules are
// for the links between two hosts, and for hosts:
//
//	rule                  what the sender sees               what the receiver sees             connections
//	Cut, Isolate          writes until the buffers are full  nothing, until Heal                new ones wait
//	FreezeLink            the same                           nothing, until ThawLink            new ones are made
//	Freeze (a host)       the same                           the frozen host does nothing       new ones are made
//	Delay, Throttle       nothing, or full buffers           bytes later, or slower; in order   new ones are later
//	Drop                  writes until the buffers are full  nothing, for ever                  new ones work
//	HalfOpen              a reset, when it has sent          nothing, for ever                  new ones work
//	Reset                 a reset at once                    a reset at once                    new ones work
//	Latency, LinkLatency  nothing                            bytes after a while; in order      as on any network
//
// A latency is no fault: it is how the network is when it is whole, with jitter from a seed. Without it everything in a
// bubble happens at one instant. [Network.HealAll] takes every rule back, and leaves the latency.
//
//	net.Latency(100*time.Microsecond, time.Millisecond, seed)
//	net.Cut("coordinator-1", "dbserver-2") // one way: dbserver-2 is still heard
//	net.Isolate("agent-3")                 // both ways, from all
//	net.HealAll()
//
// The layer of messages knows requests of HTTP with their answers, and calls of Raft with their responses. Its rules
// select messages by who asks, who answers, and path ([Message]):
//
//	rule         what the caller sees                                  what the server sees
//	LoseRequest  no answer, until its context ends or By has gone by   nothing
//	LoseAnswer   the same                                              the request; it answers
//	Duplicate    the first answer                                      the request, twice
//	DelayIt      the answer, later                                     the request, later; also when the caller has gone
//	Reorder      the answer, later                                     a later request before this one
//
//	twice := net.Message(fault.Message{To: "dbserver-2", Path: "/_stasis/v1/backup/", Do: fault.Duplicate})
//	…
//	twice.End()
//
// TCP itself never does this to a message. It is what connections do that break at the wrong moment, with callers that ask
// again, and what proxies do that repeat requests. A message meets the rules about messages first, and then, as
// bytes, those of the links. Servers and clients of this module meet the rules about messages by themselves; for another
// http.Client see [Network.RoundTripper].
//
// Over a real network, rules are met by the process that dials: give every process of a cluster the same ones.
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
// # Random delays
//
// [Buggify] lets the servers of this process wait now and then, at the places in their code where it matters who comes
// first:
//
//	b, err := fault.Buggify(seed, 0.05, 50*time.Millisecond)
//	…
//	b.End()
//
// # Wall clocks
//
// A [WallClock] is wrong by as much as it is told. [WallClocks] has one for each server:
//
//	var clocks fault.WallClocks
//	… minicluster.Seams{Wall: clocks.Now}
//	clocks.Of("dbserver-2").Skew(-time.Hour)
//
// # A fault that did not happen proves nothing
//
// A test of a fault that was never met passes for the wrong reason. [Network.Met], [Network.Tally], [MessageRule.Met],
// [DiskFault.Met] and [Trigger.Met] tell whether it was; a test checks them. [Network.Rules] lists what is broken now.
//
// # Time
//
// Nothing in memory has goroutines of its own but messages that arrive without a caller, which Close of the Network
// waits for, and waits are for channels and timers of the standard library. In a bubble
// of testing/synctest delays are exact and cost no real time. Make the Network in the bubble. Disks and Triggers may be made
// outside, their faults and triggers inside.
package fault
