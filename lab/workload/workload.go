// Package workload has the clients of the fault lab: what they write, and what must hold of any one instant.
//
// (contract; the owner of this package replaces this file)
package workload

import (
	"context"
	"time"

	"stasis/client"
	"stasis/lab/history"
)

// Spec says which workload, how much and how fast. Zero fields take the workload's default; a field that
// the workload does not know has to be zero, otherwise New refuses it.
type Spec struct {
	Name         string // "bank", "all-or-nothing", "chain", "register", "append", "counter", "schema"
	Clients      int
	Accounts     int
	Keys         int
	Shards       int
	Replication  int
	WriteConcern int
	WaitForSync  bool
	Pace         time.Duration // pause between two operations of a client
	Skew         float64       // of the choice of keys: 0 uniform, else the exponent of a Zipf distribution
	Seed         uint64
}

// Cut says between which moments of the history a backup's instant has to lie: it was asked for at Asked and
// had returned at Returned.
type Cut struct{ Asked, Returned history.Moment }

// Findings are what a check found.
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
	// afterwards go on from it.
	Restored(ctx context.Context, c *client.Client, cut Cut) error
}

// New makes a workload that records into h.
func New(s Spec, h *history.History) (Workload, error) { panic("contract") }
