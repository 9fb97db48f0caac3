package workload

import (
	"context"
	"time"

	"stasis/client"
	"stasis/lab/history"
)

// Cut says between which moments of the history a backup's instant has to lie: it was asked for at Asked and
// had returned at Returned. A Returned whose Order is 0 bounds nothing.
type Cut struct{ Asked, Returned history.Moment }

// Findings are what a check found. Present, Absent and Unknown count writes: those that the state has, those that
// it lacks, and those without an answer, which are among the others too.
type Findings struct {
	Problems                 []string
	Present, Absent, Unknown int
	Earliest, Latest         time.Duration // bounds of the one instant
}

// Workload is one kind of clients on collections of its own.
type Workload interface {
	Spec() Spec
	// Setup makes the collections. It is called once, before Run.
	Setup(ctx context.Context, clients []*client.Client) error
	// Run lets the clients work until ctx ends; each finishes what it has begun, within grace. It returns
	// the first error that is neither a refusal nor an unknown outcome.
	Run(ctx context.Context, clients []*client.Client, grace time.Duration) error
	// CheckCut judges the state of a backup, which c reads, by the history.
	CheckCut(ctx context.Context, c *client.Client, cut Cut) (Findings, error)
	// CheckEnd judges the running cluster, at rest and healed: nothing acknowledged is lost, and what
	// was read makes sense.
	CheckEnd(ctx context.Context, c *client.Client) (Findings, error)
	// Restored says that the cluster is now in the state that a backup had; clients that run
	// afterwards go on from it. No client may run from before the restore is asked for until then.
	Restored(ctx context.Context, c *client.Client, cut Cut) error
}

// kind is what differs between workloads.
type kind interface {
	// knows are the fields of a Spec that the workload knows, with their defaults.
	knows() Spec
	// open writes what is there from the beginning.
	open(ctx context.Context, s *session) error
	// live is one life of a client: it works until ctx ends, or returns errUnknown.
	live(ctx context.Context, s *session) error
	// read reads the state.
	read(ctx context.Context, c *client.Client, collection string) (State, error)
	// judge judges a state by the operations since base.
	judge(g generation, found State, cut Cut) (Findings, error)
	// translate gives the operations in a model of elle-cli; model is "" if there is none.
	translate() (model string, as history.Translate)
}

// generation is what happened since the cluster came into a state: that of the beginning, or of a backup.
type generation struct {
	ops  []history.Op // of the clients; those whose outcome is unknown also from earlier generations
	base State
	at   history.Moment // when it began
	spec Spec
	// whole says that the history as such is judged too, and not the state alone.
	whole bool
}
