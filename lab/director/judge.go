package director

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"stasis/client"
	"stasis/lab/check"
	"stasis/lab/scenario"
	"stasis/lab/verdict"
	"stasis/lab/workload"
	"stasis/lab/world"
)

// judgeLimit bounds the judgement of one backup.
const judgeLimit = 5 * time.Minute

// judgeAll judges the run: what the events say, each backup, the cluster, and the cluster after a restore.
func (r *run) judgeAll(ctx context.Context) {
	for _, v := range r.judge.frozen(r.events.list()) {
		r.result.violated(v.Check, v.Line, v.Text)
	}
	if n := r.events.unkept(); n > 0 {
		r.result.missed("%d events came after the first %d, and nothing was judged by them", n, mostEvents)
	}
	for _, u := range r.judge.unknown() {
		r.result.note("%s", u)
	}
	if r.world.Kind() == world.Processes {
		r.result.note("goroutines and memory of the servers are not looked at: they are in other processes; in world bubble none may be left when the cluster has stopped")
	}
	for _, o := range r.stage.operations.all {
		if o.Kind == "create" && o.state() && o.err != nil && !o.listed {
			b := check.Failed(o.Label, r.events.list())
			b.Error = o.err.Error()
			r.result.backups = append(r.result.backups, b)
		}
	}
	for _, o := range r.taken() {
		r.judgeBackup(ctx, o)
	}
	if r.result.served.still != "" {
		return // the cluster cannot be read
	}
	r.judgeEnd(ctx, "at the end")
	r.judgeRestore(ctx)
}

// deleted says whether the scenario has deleted a backup, or may have. One that is listed when all has healed it has not, and neither
// has a delete that was refused because of another operation: nothing was deleted then, and a backup that is gone all the same
// cannot be judged.
func (r *run) deleted(o *operation) bool {
	return !o.listed && slices.ContainsFunc(r.stage.operations.all, func(d *operation) bool {
		refused := d.state() && errors.Is(d.err, client.ErrConflict)
		return d.Kind == "delete" && d.Backup == o.Backup && !dismissed(d) && !refused
	})
}

func (r *run) judgeBackup(ctx context.Context, o *operation) {
	if r.deleted(o) {
		r.result.note("%s was deleted: it is not judged", o.Label)
		b := verdict.NotMeasured(o.Label, o.created.ID)
		b.Straddling, b.AtCut = straddling(r, o), atCuts(r, o)
		r.result.backups = append(r.result.backups, b)
		return
	}
	ctx, cancel := context.WithTimeout(ctx, judgeLimit)
	defer cancel()
	b, found, err := r.judge.backup(ctx, r.world, check.Subject{
		Created: o.created, Cut: o.cut, Forced: forced(r.scenario, o), Loads: r.loads.all, Events: r.events.list(), History: r.history,
	})
	b.Label, b.ID = o.Label, o.created.ID
	b.Straddling, b.AtCut = straddling(r, o), atCuts(r, o)
	switch {
	case errors.Is(err, workload.ErrUndecided): // the run was made, and this is not known of it
		b.Unknown = append(b.Unknown, err.Error())
		r.result.missed("%s could not be judged whole: %v", o.Label, err)
	case err != nil:
		b.Unknown = append(b.Unknown, err.Error())
		r.result.fail(fmt.Errorf("%s cannot be judged: %w", o.Label, err))
	case b.Checked && !slices.Contains(r.result.probes, o):
		r.result.judged++
	case b.Checked:
	case len(found) == 0:
		r.result.missed("%s could not be judged whole: %s", o.Label, strings.Join(b.Unknown, "; "))
	}
	r.result.backups = append(r.result.backups, b)
	for _, v := range found {
		r.result.violated(v.Check, v.Line, o.Label+": "+v.Text)
	}
	r.say("%s was judged: %d problems", o.Label, len(found))
}

// forced says whether a create may make a backup that is potentially inconsistent.
func forced(s *scenario.Scenario, o *operation) bool {
	for _, step := range s.Do {
		for _, a := range step.Actions {
			if one, ok := scenario.OperationOf(a); ok && one.Label == o.Label {
				return a.Args["force"] != ""
			}
		}
	}
	return false
}

// judgeEnd judges the running cluster by the workloads. What cannot be read is not served, which does not mean that it is lost; what
// is undecided is neither.
func (r *run) judgeEnd(ctx context.Context, when string) {
	for _, w := range r.loads.all {
		var found workload.Findings
		var undecided error
		_, err := until(ctx, serveLimit, func(ctx context.Context) (err error) {
			found, err = w.CheckEnd(ctx, r.world.Clients()[0])
			if errors.Is(err, workload.ErrUndecided) { // it would be again
				undecided, err = err, nil
			}
			return err
		})
		if undecided != nil {
			r.result.missed("%s, %s: it could not be judged: %v", w.Spec().Name, when, undecided)
		}
		if err != nil {
			r.violated(ctx, "serves", "%s, %s: it cannot be read: %v", w.Spec().Name, when, err)
		}
		for _, n := range found.Notes {
			r.result.note("%s, %s: %s", w.Spec().Name, when, n)
		}
		for _, p := range found.Problems {
			r.result.violated("nothing lost", 0, fmt.Sprintf("%s, %s: %s", w.Spec().Name, when, p))
		}
	}
}

// restoreChoice is the backup that is restored at the end: that of an expectation, or one that chance chooses.
func (r *run) restoreChoice() *operation {
	all := slices.DeleteFunc(r.taken(), r.deleted)
	for _, e := range r.scenario.Expect {
		for _, o := range all {
			if e.Kind == "restored" && o.Backup == e.Args["name"] {
				return o
			}
		}
	}
	if len(all) == 0 {
		return nil
	}
	return all[r.random.IntN(len(all))]
}

// judgeRestore restores one backup; the load goes on from it, and the cluster is judged again.
func (r *run) judgeRestore(ctx context.Context) {
	o := r.restoreChoice()
	if o == nil {
		r.result.note("there is no backup that could be restored")
		return
	}
	begun := time.Now()
	_, err := until(ctx, serveLimit, func(context.Context) error {
		bounded, cancel := context.WithTimeout(ctx, operationLimit)
		defer cancel()
		_, err := r.world.Clients()[0].Backups().Restore(bounded, client.RestoreRequest{ID: o.created.ID})
		return err
	})
	took := time.Since(begun)
	if err != nil {
		r.violated(ctx, "restore", "%s cannot be restored: %v", o.Label, err)
		return
	}
	r.result.restored = o.Backup
	for i := range r.result.backups {
		if r.result.backups[i].Label == o.Label {
			r.result.backups[i].Restored(took)
		}
	}
	r.say("%s was restored in %v", o.Label, took.Round(time.Millisecond))
	if err := r.stage.tell(ctx, o.cut); err != nil {
		r.violated(ctx, "restore", "after the restore of %s: %v", o.Label, err)
		return
	}
	r.loads.start(ctx)
	err = sleep(ctx, time.Second)
	if err = errors.Join(err, r.loads.stop()); err != nil {
		r.result.fail(fmt.Errorf("the load, after the restore of %s: %w", o.Label, err))
	}
	if _, err := until(ctx, leftLimit, r.rest); err != nil {
		r.violated(ctx, "nothing left", "%v after the restore of %s: %v", leftLimit, o.Label, err)
	}
	r.judgeEnd(ctx, "after the restore of "+o.Label)
}

// labelOf is the label of a backup in an expectation.
func labelOf(e scenario.Expectation) string { return e.Args["name"] }
