package minicluster

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

const (
	readyLimit = time.Minute           // when the context has no deadline
	lookEvery  = 50 * time.Millisecond // between two looks at who is ready
)

func bounded(ctx context.Context) (context.Context, context.CancelFunc) {
	if _, bounded := ctx.Deadline(); bounded {
		return ctx, func() {}
	}
	return context.WithTimeout(ctx, readyLimit)
}

// awaitAll waits until these nodes are ready, and an agent leads.
func awaitAll(ctx context.Context, o *observer, nodes []*node) error {
	ctx, cancel := bounded(ctx)
	defer cancel()
	began, tick := time.Now(), time.NewTicker(lookEvery)
	defer tick.Stop()
	var seen []string // by the last look that was not cut short
	for {
		missing, err := o.missing(ctx, nodes)
		if err != nil || len(missing) == 0 {
			return err
		}
		if ctx.Err() != nil && seen != nil {
			missing = seen
		}
		seen = missing
		select {
		case <-tick.C:
		case <-ctx.Done():
			return notReady(ctx, began, missing)
		}
	}
}

func notReady(ctx context.Context, began time.Time, missing []string) error {
	return fmt.Errorf("the cluster is not ready after %.1f s: %s: %w",
		time.Since(began).Seconds(), strings.Join(missing, "; "), context.Cause(ctx))
}

// awaitMost waits until those that are not broken are ready, if they are enough for a cluster.
func awaitMost(ctx context.Context, o *observer, all []*node) error {
	ctx, cancel := bounded(ctx)
	defer cancel()
	began, tick := time.Now(), time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		nodes := present(all)
		if err := enough(nodes, (*node).alive); err != nil {
			return err
		}
		alive := slices.DeleteFunc(slices.Clone(nodes), func(n *node) bool { return !n.alive() })
		found := o.find(ctx, alive)
		missing := slices.DeleteFunc(slices.Clone(found), func(f string) bool { return f == "" })
		if len(missing) == 0 {
			return enough(nodes, (*node).alive) // one may have ended meanwhile
		}
		select {
		case <-tick.C:
			continue
		case <-ctx.Done():
		}
		err := notReady(ctx, began, missing)
		if !errors.Is(context.Cause(ctx), context.DeadlineExceeded) {
			return err
		}
		return withoutTheLate(nodes, alive, o.find(context.WithoutCancel(ctx), alive), err)
	}
}

// withoutTheLate is nil if a cluster is ready without those that are not in time. They are
// broken from then on, until they are started again.
func withoutTheLate(nodes, alive []*node, found []string, err error) error {
	if found[len(alive)] != "" {
		return err // no agent leads
	}
	for i, n := range alive {
		if found[i] != "" {
			n.lags(errors.New(strings.TrimPrefix(found[i], n.name+": ")))
		}
	}
	return enough(nodes, func(n *node) bool { return n.broken() == nil && n.alive() })
}
