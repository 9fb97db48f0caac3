package world

import (
	"context"
	"net/http"
	"time"

	"stasis/client"
	"stasis/event"
	"stasis/fault"
	"stasis/lab/reader"
	"stasis/minicluster"
)

// World is a running cluster and everything about it that can be broken. Servers are named as in
// minicluster: agent-1, dbserver-2, coordinator-1; clients are the host "client".
type World interface {
	Kind() Kind
	Cluster() *minicluster.Cluster
	Clients() []*client.Client // one for each coordinator
	HTTP() *http.Client        // of the host that clients are
	Nodes() []minicluster.Node

	Kill(server string) error // as SIGKILL
	Restart(ctx context.Context, server string) error
	Pause(server string) error // as SIGSTOP
	Resume(server string) error
	// Crash is a power cut: what was not synced is lost, but for a part of unsyncedPercent in the hundred. The server is down
	// then, until Restart.
	Crash(server string, unsyncedPercent int) error
	// Lose is a disk that is lost: the server is down, and its data directory is empty, until Start or Restart.
	Lose(server string) error
	// Start is Restart of a server that is down, and does not wait until it serves: an agent with an empty disk may wait for others.
	Start(ctx context.Context, server string) error
	// Recover makes an agent, which is down, the only member of its agency's next incarnation, as "stasis agency recover" does.
	// Start it then, and the others with disks that were lost.
	Recover(agent string) error
	// SkewClock sets the wall clock of a server off, beside what it is off by Config.ClockSkew. 0 takes it back.
	SkewClock(server string, by time.Duration) error
	// Delayed is how often servers have waited by Config.Buggify, as far as it is known.
	Delayed() int

	Network() Network
	Disk(server string) (Disk, error)
	// Remote is where backups are uploaded to and downloaded from.
	Remote() Remote

	// Watch calls see for each event of each server from now on, in order. see must not wait.
	Watch(see func(event.Event)) (stop func())
	// Hold stops an operation at a moment until End; Moment.Server is a server's id.
	Hold(m fault.Moment) (Held, error)

	// Pieces are the published pieces of a backup, where they lie.
	Pieces(backup string) ([]reader.Piece, error)
	// Left lists what operations on backups have left, on the disks of all servers, in the agency and in memory: pending
	// pieces, staged engines, temporary files, locks, jobs, closed gates. It meets the faults of the disks.
	Left(ctx context.Context) ([]string, error)
	// HealAll takes back every fault. Latency, clocks that are wrong and random delays by Config are no faults: they stay.
	// Servers that are down stay down.
	HealAll() error
	// Close heals everything, stops the cluster and waits until nothing of it is left but its directory.
	Close(ctx context.Context) error
}

// Network breaks the network between hosts, in one direction at a time. It is the part of a
// [fault.Network] that all worlds have; the methods mean the same. A host that does not exist is an error.
type Network interface {
	Cut(from, to string) error
	Heal(from, to string) error
	HealAll() error
	Delay(from, to string, d time.Duration) error
	Throttle(from, to string, bytesPerSecond int64) error
	Drop(from, to string) error
	Reset(a, b string) error
	Isolate(host string) error
	Rejoin(host string) error
	Freeze(host string) error
	Thaw(host string) error
	// Message adds a rule about messages: requests and answers of HTTP, and calls of Raft.
	Message(rule fault.Message) (Met, error)
	// Met counts what rules of links kept from arriving. It never becomes less.
	Met(from, to string) (int, error)
}

// Disk breaks the disk of one server: see [fault.Disk].
type Disk interface {
	Hang(calls fault.Calls) (Met, error)
	Slow(calls fault.Calls, each time.Duration) (Met, error)
	Fail(calls fault.Calls, err error) (Met, error)
	Fill(calls fault.Calls, bytes int64) (Met, error)
	Tear(calls fault.Calls) (Met, error)
	HealAll() error
}

// Remote is a remote storage that all DB servers reach. It is on a disk, which can be broken. An object that is sent is made, written,
// synced and renamed; one that is fetched is opened and read; others are listed, looked at and removed. A transfer that
// meets a failure tries again. Paths of calls end with the object's name.
type Remote interface {
	// At is a place at the remote, for client.TransferRequest: "a" is another place than "b", and empty at first.
	At(place string) client.Remote
	Hang(calls fault.Calls) (Met, error)
	Slow(calls fault.Calls, each time.Duration) (Met, error)
	Fail(calls fault.Calls, err error) (Met, error)
	Fill(calls fault.Calls, bytes int64) (Met, error)
	HealAll() error
}

// Met is a fault that tells how often it was met, and that can be taken back.
type Met interface {
	Met() int
	End()
}

// Held is an operation that is held at a step.
type Held interface {
	Reached() <-chan struct{}
	// Over is closed when the operation goes on although End was not called: it has reached a limit of its own, or the process that
	// held it has ended. What is done from then on does not happen at the step.
	Over() <-chan struct{}
	End()
}
