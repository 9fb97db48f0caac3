package director

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"stasis/client"
	"stasis/lab/scenario"
	"stasis/lab/workload"
)

// recover ends every fault, and waits until nothing is left and the cluster serves.
func (r *run) recover(ctx context.Context) {
	s := r.stage
	if err := s.faults.count(); err != nil {
		r.result.fail(fmt.Errorf("count what the faults met: %w", err))
	}
	if err := s.heal(); err != nil {
		r.result.fail(fmt.Errorf("heal: %w", err))
		return
	}
	for _, server := range s.marked(s.down) {
		if slices.Contains(s.removed, server) {
			continue
		}
		if err := r.start(ctx, server); err != nil {
			r.result.fail(fmt.Errorf("start %s again: %w", server, err))
			return
		}
	}
	r.say("everything is healed")
	r.settle(ctx)
	r.nothingLeft(ctx)
	r.adopt(ctx)
	r.serves(ctx)
}

// start starts a server that is dead. One that is not there yet when the others are, is waited for.
func (r *run) start(ctx context.Context, server string) error {
	_, err := until(ctx, serveLimit, func(ctx context.Context) error { return r.world.Restart(ctx, server) })
	return err
}

// settle finds out whether restores were committed whose outcome is not known, and lets the load go on.
func (r *run) settle(ctx context.Context) {
	ops := r.stage.operations
	for _, o := range ops.doubts {
		of, err := ops.backup(o.Backup)
		if err != nil {
			r.result.fail(err)
			continue
		}
		committed := r.happened("switching Plan", o.Backup, "Plan switched")
		if committed == unknown {
			r.result.fail(fmt.Errorf("it cannot be told whether %s was committed, so nothing can be judged", o.Label))
			continue
		}
		if committed == yes {
			if err := r.stage.tell(ctx, of.cut); err != nil {
				r.result.fail(fmt.Errorf("the load cannot go on from %s: %w", o.Backup, err))
			}
		}
		r.loads.resume()
	}
}

// answer is what is known of something that may have happened.
type answer int

const (
	unknown answer = iota
	yes
	no
)

// happened says whether a step was reached that follows another.
func (r *run) happened(before, label, step string) answer {
	if _, ok := r.events.last(step, label); ok {
		return yes
	}
	if _, ok := r.events.last("swapping engine", label); ok {
		return yes
	}
	if _, ok := r.events.last(before, label); !ok {
		return no
	}
	return unknown
}

// nothingLeft waits until nothing is left of operations.
func (r *run) nothingLeft(ctx context.Context) {
	limit := leftLimit
	for _, e := range r.scenario.Expect {
		if e.Kind == "nothing left" {
			limit = scenario.Time(e.Args["time"])
		}
	}
	took, err := until(ctx, limit, r.rest)
	r.result.left = outlast{took: took}
	if err != nil {
		r.result.left.still = err.Error()
		r.result.violated("nothing left", 0, fmt.Sprintf("%v after everything had healed: %v", limit, err))
	}
}

// rest is nil if nothing is left of operations.
func (r *run) rest(ctx context.Context) error {
	left, err := r.world.Left(ctx)
	if err == nil && len(left) > 0 {
		err = errors.New(strings.Join(left, "; "))
	}
	return err
}

// probe is where the check writes that the cluster serves, and the label of its backup.
const probe = "lab-probe"

// mostProbes is how many backups the check takes at most, so that enough operations straddle backups.
const mostProbes = 6

// serves waits until each coordinator stores a document and a backup succeeds. The backup is judged like the others.
func (r *run) serves(ctx context.Context) {
	limit := serveLimit
	for _, e := range r.scenario.Expect {
		if e.Kind == "serves" {
			limit = scenario.Time(e.Args["time"])
		}
	}
	begun := time.Now()
	err := r.stores(ctx, limit)
	if err == nil {
		_, err = until(ctx, limit-time.Since(begun), func(context.Context) error { return r.backup(ctx, probe) })
	}
	r.result.served = outlast{took: time.Since(begun)}
	for n := 2; n <= mostProbes && err == nil && len(r.loads.all) > 0 && r.straddling() < leastStraddling; n++ {
		err = r.backup(ctx, fmt.Sprintf("%s-%d", probe, n))
	}
	if err != nil {
		r.result.served.still = err.Error()
		r.result.violated("serves", 0, fmt.Sprintf("%v after everything had healed: %v", limit, err))
	}
}

func (r *run) stores(ctx context.Context, limit time.Duration) error {
	_, err := until(ctx, limit, func(ctx context.Context) error {
		for i, c := range r.world.Clients() {
			db := c.Database("")
			if err := db.EnsureCollection(ctx, probe, client.Layout{Shards: 3}); err != nil {
				return fmt.Errorf("coordinator-%d: create a collection: %w", i+1, err)
			}
			if err := db.Put(ctx, probe, map[string]any{"_key": fmt.Sprint("k", i)}); err != nil {
				return fmt.Errorf("coordinator-%d: store a document: %w", i+1, err)
			}
		}
		return nil
	})
	return err
}

// backup takes a backup of the check.
func (r *run) backup(ctx context.Context, label string) error {
	bounded, cancel := context.WithTimeout(ctx, operationLimit)
	defer cancel()
	o := &operation{
		Operation: scenario.Operation{Label: label, Kind: "create", Backup: label, On: "coordinator-1"},
		done:      make(chan struct{}), never: make(chan struct{}), coordinator: "coordinator-1", begun: time.Now(),
	}
	o.err = r.stage.create(bounded, o, scenario.Action{}, r.world.Clients()[0])
	o.ended = time.Now()
	close(o.done)
	if o.err != nil {
		return fmt.Errorf("coordinator-1: take a backup: %w", o.err)
	}
	r.result.probes = append(r.result.probes, o)
	return nil
}

// taken are the backups of the run that have succeeded, those of the check last.
func (r *run) taken() []*operation {
	return slices.Concat(r.stage.operations.successful(), r.result.probes)
}

// straddling counts the operations of the load that straddled the backups which are judged.
func (r *run) straddling() int {
	var cuts []workload.Cut
	for _, o := range r.taken() {
		cuts = append(cuts, o.cut)
	}
	n := 0
	for _, op := range r.history.Ops() {
		if !op.Note() && slices.ContainsFunc(cuts, func(cut workload.Cut) bool {
			return op.BeginOrder < cut.Returned.Order && (op.EndOrder == 0 || op.EndOrder > cut.Asked.Order)
		}) {
			n++
		}
	}
	return n
}
