package director

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"stasis/client"
	"stasis/event"
	"stasis/lab/check"
	"stasis/lab/reader"
	"stasis/lab/scenario"
	"stasis/lab/verdict"
	"stasis/lab/workload"
	"stasis/lab/world"
)

// subject is what is known of a backup that is to be judged.
type subject struct {
	created client.CreateResult
	cut     workload.Cut
	loads   []workload.Workload
	events  []event.Event
}

// judge judges backups and structures.
type judge interface {
	backup(ctx context.Context, w world.World, s subject) (verdict.Backup, []verdict.Violation, error)
	frozen(all []event.Event) []verdict.Violation
}

// pieces judges a backup by its pieces, without touching the cluster.
type pieces struct{}

func (pieces) backup(ctx context.Context, w world.World, s subject) (_ verdict.Backup, _ []verdict.Violation, err error) {
	all, err := w.Pieces(s.created.ID)
	if err != nil {
		return verdict.Backup{}, nil, err
	}
	r, err := reader.Open(ctx, s.created.ID, all)
	if err != nil {
		return verdict.Backup{}, nil, err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	return check.Backup(ctx, r, s.created, s.cut, s.loads, s.events)
}

func (pieces) frozen(all []event.Event) []verdict.Violation { return check.Frozen(all) }

// judgeLimit bounds the judgement of one backup.
const judgeLimit = 5 * time.Minute

// judgeAll judges the run: what the events say, each backup, the cluster, and the cluster after a restore.
func (r *run) judgeAll(ctx context.Context) {
	for _, v := range r.judge.frozen(r.events.list()) {
		r.result.violated(v.Check, v.Line, v.Text)
	}
	for _, o := range r.stage.operations.all {
		if o.Kind == "create" && o.state() && o.err != nil && !o.listed {
			r.result.backups = append(r.result.backups, verdict.Backup{Label: o.Label, Error: o.err.Error()})
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

// deleted says whether the scenario has deleted a backup, or may have.
func (r *run) deleted(o *operation) bool {
	return slices.ContainsFunc(r.stage.operations.all, func(d *operation) bool {
		return d.Kind == "delete" && d.Backup == o.Backup && !dismissed(d)
	})
}

func (r *run) judgeBackup(ctx context.Context, o *operation) {
	if r.deleted(o) {
		r.result.note("%s was deleted: it is not judged", o.Label)
		r.result.backups = append(r.result.backups, verdict.Backup{Label: o.Label, ID: o.created.ID})
		return
	}
	ctx, cancel := context.WithTimeout(ctx, judgeLimit)
	defer cancel()
	b, found, err := r.judge.backup(ctx, r.world, subject{o.created, o.cut, r.loads.all, r.events.list()})
	b.Label, b.ID = o.Label, o.created.ID
	if err != nil {
		found = append(found, verdict.Violation{Check: "one instant", Text: err.Error()})
	} else {
		b.Checked = true
		r.result.judged++
	}
	r.result.backups = append(r.result.backups, b)
	for _, v := range found {
		r.result.violated(v.Check, v.Line, o.Label+": "+v.Text)
	}
	r.say("%s was judged: %d problems", o.Label, len(found))
}

// judgeEnd judges the running cluster by the workloads.
func (r *run) judgeEnd(ctx context.Context, when string) {
	for _, w := range r.loads.all {
		found, err := w.CheckEnd(ctx, r.world.Clients()[0])
		if err != nil {
			found.Problems = append(found.Problems, err.Error())
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
		r.result.violated("restore", 0, fmt.Sprintf("%s cannot be restored: %v", o.Label, err))
		return
	}
	r.result.restored = o.Backup
	for i := range r.result.backups {
		if r.result.backups[i].Label == o.Label {
			r.result.backups[i].RTO = took
		}
	}
	r.say("%s was restored in %v", o.Label, took.Round(time.Millisecond))
	if err := r.stage.tell(ctx, o.cut); err != nil {
		r.result.violated("restore", 0, fmt.Sprintf("after the restore of %s: %v", o.Label, err))
		return
	}
	r.loads.start(ctx)
	err = sleep(ctx, time.Second)
	if err = errors.Join(err, r.loads.stop()); err != nil {
		r.result.violated("the load", 0, fmt.Sprintf("after the restore of %s: %v", o.Label, err))
	}
	if _, err := until(ctx, leftLimit, r.rest); err != nil {
		r.result.violated("nothing left", 0, fmt.Sprintf("%v after the restore of %s: %v", leftLimit, o.Label, err))
	}
	r.judgeEnd(ctx, "after the restore of "+o.Label)
}

// labelOf is the label of a backup in an expectation.
func labelOf(e scenario.Expectation) string { return e.Args["name"] }
