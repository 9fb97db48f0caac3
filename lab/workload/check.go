package workload

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"stasis/client"
	"stasis/lab/history"
)

// restoredNote is what the note about a restore has: between which moments its backup was taken.
type restoredNote struct {
	Asked    history.Moment `json:"asked"`
	Returned history.Moment `json:"returned"`
}

// generation finds the operations that a state at a moment can show, and what they began with.
func (l *load) generation(at history.Moment) (generation, error) {
	g := generation{spec: l.spec}
	var end uint64 // of the generation
	all := l.h.Ops()
	for _, o := range all {
		if o.Workload != l.label || o.Kind != history.Restored {
			continue
		}
		if o.BeginOrder > at.Order {
			end = o.BeginOrder
			break
		}
		g.at, g.base = history.Moment{At: o.End, Order: o.EndOrder}, State{}
		if err := json.Unmarshal(o.Result, &g.base); err != nil {
			return g, fmt.Errorf("note of a restore in the history: %w", err)
		}
	}
	g.whole = end != 0 // nothing later judges what clients saw in it
	for _, o := range all {
		loose := o.Outcome == history.Info && o.Write() // it may yet be done
		if o.Workload != l.label || o.Note() || end != 0 && o.BeginOrder > end || o.BeginOrder < g.at.Order && !loose {
			continue
		}
		g.ops = append(g.ops, o)
	}
	return g, nil
}

// CheckCut judges the state of a backup.
func (l *load) CheckCut(ctx context.Context, c *client.Client, cut Cut) (Findings, error) {
	return l.check(ctx, c, cut, false)
}

// CheckEnd judges the running cluster.
func (l *load) CheckEnd(ctx context.Context, c *client.Client) (Findings, error) {
	return l.check(ctx, c, Cut{Asked: l.h.Now()}, true)
}

func (l *load) check(ctx context.Context, c *client.Client, cut Cut, whole bool) (Findings, error) {
	found, err := l.kind.read(ctx, c, l.collection)
	switch {
	case errors.Is(err, client.ErrNotFound) && l.made(cut.Asked):
		return Findings{Problems: []string{fmt.Sprintf("the collection %s is not there: it was created before the instant could be (%v)", l.collection, err)}}, nil
	case errors.Is(err, client.ErrNotFound):
		return Findings{}, fmt.Errorf("workload %s: %w: the state may be of a time before the collection %s was created: %w", l.label, ErrUndecided, l.collection, err)
	case err != nil:
		return Findings{}, fmt.Errorf("workload %s: read the state: %w", l.label, err)
	}
	return l.judge(found, cut, whole)
}

// made says whether the collection was there before a moment.
func (l *load) made(at history.Moment) bool {
	return slices.ContainsFunc(l.h.Ops(), func(o history.Op) bool {
		return o.Workload == l.label && o.Kind == history.Setup && o.EndOrder <= at.Order
	})
}

func (l *load) judge(found State, cut Cut, whole bool) (Findings, error) {
	g, err := l.generation(cut.Asked)
	if err == nil {
		g.whole = g.whole || whole
		var f Findings
		if f, err = l.kind.judge(g, found, cut); err == nil {
			return f, nil
		}
	}
	return Findings{}, fmt.Errorf("workload %s: %w", l.label, err)
}

// Restored begins a new generation from what the cluster has now.
func (l *load) Restored(ctx context.Context, c *client.Client, cut Cut) error {
	found, err := l.kind.read(ctx, c, l.collection)
	if err != nil {
		return fmt.Errorf("workload %s: read what was restored: %w", l.label, err)
	}
	return l.note(history.Restored, restoredNote(cut), found)
}
