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

// restore is a note about a restore.
type restore struct {
	begin, end history.Moment
	cut        Cut
	base       State // what the cluster had then
}

// restores are those of the history, in their order.
func (l *load) restores(ops []history.Op) (all []restore, err error) {
	for _, o := range ops {
		if o.Workload != l.label || o.Kind != history.Restored {
			continue
		}
		r := restore{begin: history.Moment{At: o.Begin, Order: o.BeginOrder}, end: history.Moment{At: o.End, Order: o.EndOrder}, base: State{}}
		var noted restoredNote
		if err := errors.Join(json.Unmarshal(o.Value, &noted), json.Unmarshal(o.Result, &r.base)); err != nil {
			return nil, fmt.Errorf("note of a restore in the history: %w", err)
		}
		r.cut = Cut(noted)
		all = append(all, r)
	}
	return all, nil
}

// generation finds the operations that a state at a moment can show, and what they began with.
func (l *load) generation(at history.Moment) (generation, error) {
	g, all := generation{spec: l.spec}, l.h.Ops()
	restores, err := l.restores(all)
	if err != nil {
		return g, err
	}
	for _, r := range restores {
		if r.begin.Order > at.Order {
			g.end = r.begin
			break
		}
		g.at, g.base = r.end, r.base
	}
	g.whole = g.end.Order != 0 // nothing later judges what clients saw in it
	for _, o := range all {
		loose := o.Outcome == history.Info && o.Write() // it may yet be done
		if o.Workload != l.label || o.Note() || g.end.Order != 0 && o.BeginOrder > g.end.Order || o.BeginOrder < g.at.Order && !loose {
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
