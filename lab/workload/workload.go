package workload

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"stasis/client"
	"stasis/lab/history"
)

// Workload is one kind of clients on collections of its own.
type Workload interface {
	Spec() Spec
	// Setup makes the collections. It is called once, before Run.
	Setup(ctx context.Context, clients []*client.Client) error
	// Run lets the clients work until ctx ends; each finishes what it has begun, within grace. It returns
	// the first error that is neither a refusal nor an unknown outcome.
	Run(ctx context.Context, clients []*client.Client, grace time.Duration) error
	// Hurry lets the clients pause for no longer than the pace, from now on and for d. Otherwise they make the longer pauses of a
	// lull, if the workload has one. It does not wait.
	Hurry(d time.Duration)
	// CheckCut judges the state of a backup, which c reads, by the history.
	CheckCut(ctx context.Context, c *client.Client, cut Cut) (Findings, error)
	// CheckEnd judges the running cluster, at rest and healed: nothing acknowledged is lost, and what
	// was read makes sense.
	CheckEnd(ctx context.Context, c *client.Client) (Findings, error)
	// Restored says that the cluster is now in the state that a backup had; clients that run
	// afterwards go on from it. No client may run from before the restore is asked for until then.
	Restored(ctx context.Context, c *client.Client, cut Cut) error
}

// New makes a workload that records into h.
func New(s Spec, h *history.History) (Workload, error) {
	k, known := kinds[s.Name]
	if !known {
		return nil, fmt.Errorf("workload %q: want one of %s", s.Name, strings.Join(slices.Sorted(maps.Keys(kinds)), ", "))
	}
	made := k.make()
	full, err := s.with(made.knows())
	if err != nil {
		return nil, fmt.Errorf("workload %s: %w", s.Name, err)
	}
	return &load{site: site{spec: full, h: h, members: membersOf(made), tempo: newTempo()}, asked: s, kind: made, lives: make([]int, full.Clients+1)}, nil
}

// Recorded finds the workloads that a history has, as [history.Parse] reads it. They judge by what was recorded, and may run again.
func Recorded(h *history.History) ([]Workload, error) {
	var all []Workload
	ops := h.Ops()
	for _, o := range ops {
		if o.Kind != history.Setup {
			continue
		}
		var noted setup
		if err := json.Unmarshal(o.Value, &noted); err != nil {
			return nil, fmt.Errorf("workload %s: what the history has of its beginning: %w", o.Workload, err)
		}
		k, known := kinds[noted.Spec.Name]
		if !known || noted.Spec.Clients < 1 || noted.Spec.Clients > mostClients || noted.Collection == "" {
			return nil, fmt.Errorf("workload %s: the history says that it is %q with %d clients on %q, which this version does not know", o.Workload, noted.Spec.Name, noted.Spec.Clients, noted.Collection)
		}
		made := k.make()
		l := &load{site: site{noted.Spec, h, o.Workload, noted.Collection, membersOf(made), newTempo()}, asked: noted.Spec, kind: made, lives: make([]int, noted.Spec.Clients+1)}
		l.passed(ops)
		all = append(all, l)
	}
	return all, nil
}
