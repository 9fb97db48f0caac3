package director

import (
	"context"
	"fmt"
	"slices"
	"time"

	"stasis/client"
	"stasis/lab/scenario"
)

// recovery is the part of a run that begins when nothing of the scenario can come any more.
type recovery struct{ run *run }

// recover ends every fault, and waits until nothing is left and the cluster serves.
func (v *recovery) recover(ctx context.Context) {
	s := v.run.stage
	if err := s.faults.count(); err != nil {
		v.run.result.fail(fmt.Errorf("count what the faults met: %w", err))
	}
	if err := s.heal(); err != nil {
		v.run.result.fail(fmt.Errorf("heal: %w", err))
		return
	}
	if err := v.start(ctx, slices.DeleteFunc(s.marked(s.down), func(n string) bool { return slices.Contains(s.removed, n) })); err != nil {
		v.run.violated(ctx, "serves", "everything has healed: %v", err)
	}
	v.run.say("everything is healed")
	v.nothingLeft(ctx)
	v.settle(ctx)
	v.adopt(ctx)
	v.serves(ctx)
}

// start starts servers that are dead, at once: one may need others. One that is not there yet is waited for.
func (v *recovery) start(ctx context.Context, all []string) error {
	return v.run.stage.turns.forEach(ctx, all, func(server string) error {
		if _, err := until(ctx, serveLimit, func(ctx context.Context) error { return v.run.world.Restart(ctx, server) }); err != nil {
			return fmt.Errorf("start %s again: %w", server, err)
		}
		return nil
	})
}

// settle finds out whether restores were committed whose outcome is not known, and lets the load go on.
func (v *recovery) settle(ctx context.Context) {
	ops := v.run.stage.operations
	for _, o := range ops.doubts {
		of, err := ops.backup(o.Backup)
		if err != nil {
			v.run.result.fail(err)
			continue
		}
		committed := v.happened("switching Plan", o.Backup, "Plan switched")
		if o.restored {
			committed = yes
		}
		if committed == unknown && v.run.result.left.still == "" {
			committed = no // what was committed has swapped engines by now: nothing is left
		}
		if committed == unknown {
			v.run.result.fail(fmt.Errorf("it cannot be told whether %s was committed, so nothing can be judged", o.Label))
			continue
		}
		if committed == yes {
			if err := v.run.stage.tell(ctx, of.cut); err != nil {
				v.run.result.fail(fmt.Errorf("the load cannot go on from %s: %w", o.Backup, err))
			}
		}
		v.run.loads.resume()
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
func (v *recovery) happened(before, label, step string) answer {
	if _, ok := v.run.events.last(step, label); ok {
		return yes
	}
	if _, ok := v.run.events.last("swapping engine", label); ok {
		return yes
	}
	if _, ok := v.run.events.last(before, label); !ok {
		return no
	}
	return unknown
}

// nothingLeft waits until nothing is left of operations.
func (v *recovery) nothingLeft(ctx context.Context) {
	limit := leftLimit
	for _, e := range v.run.scenario.Expect {
		if e.Kind == "nothing left" {
			limit = scenario.Time(e.Args["time"])
		}
	}
	took, err := until(ctx, limit, v.run.rest)
	v.run.result.left = outlast{took: took}
	if err != nil {
		v.run.result.left.still = err.Error()
		v.run.violated(ctx, "nothing left", "%v after everything had healed: %v", limit, err)
	}
}

// adopt finds out which creates have made a backup. One whose coordinator could not answer may have: it is judged like
// those that have succeeded.
func (v *recovery) adopt(ctx context.Context) {
	var list client.ListResult
	_, err := until(ctx, callLimit, func(ctx context.Context) (err error) {
		list, err = v.run.world.Clients()[0].Backups().List(ctx)
		return err
	})
	if err != nil {
		v.run.violated(ctx, "serves", "the backups cannot be listed: %v", err)
		return
	}
	for _, o := range v.run.stage.operations.all {
		if o.Kind != "create" || !o.state() {
			continue
		}
		for id := range list.List {
			if !labelled(id, o.Backup) {
				continue
			}
			o.listed = true
			if o.err != nil {
				v.run.result.note("%s has failed and its backup is listed: it is judged", o.Label)
				o.created.ID, o.cut.Returned = id, v.run.history.Now()
			}
		}
	}
}

// probe is where the check writes that the cluster serves, and the label of its backup.
const probe = "lab-probe"

// serves waits until each coordinator stores a document and a backup succeeds. The backup is judged like the others.
func (v *recovery) serves(ctx context.Context) {
	limit := serveLimit
	for _, e := range v.run.scenario.Expect {
		if e.Kind == "serves" {
			limit = scenario.Time(e.Args["time"])
		}
	}
	begun := time.Now()
	err := v.stores(ctx, limit)
	if err == nil {
		_, err = until(ctx, limit-time.Since(begun), func(context.Context) error { return v.backup(ctx, probe) })
	}
	v.run.result.served = outlast{took: time.Since(begun)}
	if err != nil {
		v.run.result.served.still = err.Error()
		v.run.violated(ctx, "serves", "%v after everything had healed: %v", limit, err)
	}
}

func (v *recovery) stores(ctx context.Context, limit time.Duration) error {
	_, err := until(ctx, limit, func(ctx context.Context) error {
		for i, c := range v.run.world.Clients() {
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
func (v *recovery) backup(ctx context.Context, label string) error {
	bounded, cancel := context.WithTimeout(ctx, operationLimit)
	defer cancel()
	o := &operation{
		Operation: scenario.Operation{Label: label, Kind: "create", Backup: label, On: "coordinator-1"},
		done:      make(chan struct{}), never: make(chan struct{}), coordinator: "coordinator-1", begun: time.Now(),
	}
	o.err = v.run.stage.create(bounded, o, scenario.Action{}, v.run.world.Clients()[0])
	o.ended = time.Now()
	close(o.done)
	if o.err != nil {
		return fmt.Errorf("coordinator-1: take a backup: %w", o.err)
	}
	v.run.result.probes = append(v.run.result.probes, o)
	return nil
}
