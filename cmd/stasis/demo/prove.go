package demo

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"stasis/lab/workload"
)

func (d *demo) prove(ctx context.Context) error {
	d.title("Proof")
	count, sum, err := workload.Sum(ctx, d.db(0), peopleCollection)
	if err != nil {
		return err
	}
	if count != d.people.count || sum != d.people.sum {
		return fmt.Errorf("people: %d with checksum %s, before the backup %d with %s", count, sum, d.people.count, d.people.sum)
	}
	d.say("people: %d, checksum %s: as before the backup", count, sum)
	if err := d.oneInstant(ctx); err != nil {
		return fmt.Errorf("the restored state is wrong: %w", err)
	}
	return d.checkVerify(ctx)
}

// oneInstant judges what the writers wrote.
func (d *demo) oneInstant(ctx context.Context) error {
	all := workload.Findings{Latest: d.cut.Returned.At}
	for _, w := range d.loads {
		f, err := w.CheckCut(ctx, d.clients[0], d.cut)
		if err != nil {
			return err
		}
		if len(f.Problems) > 0 {
			return fmt.Errorf("%s: %s", w.Spec().Name, strings.Join(f.Problems, "; "))
		}
		all.Present, all.Absent = all.Present+f.Present, all.Absent+f.Absent
		all.Earliest, all.Latest = max(all.Earliest, f.Earliest), min(all.Latest, f.Latest)
	}
	if all.Earliest > all.Latest {
		return fmt.Errorf("no one instant: some of it is of %v at the earliest, some of %v at the latest", all.Earliest, all.Latest)
	}
	asked := d.cut.Asked.At
	d.say("writes: %d are there and %d are not; no chain has a hole, no money is lost", all.Present, all.Absent)
	d.say("all that was acknowledged before create was called is there, nothing that was begun after it returned")
	d.say("it is the state of one instant, between %.3f ms and %.3f ms after create was called (which took %.1f ms)",
		ms(all.Earliest-asked), ms(all.Latest-asked), ms(d.cut.Returned.At-asked))
	return nil
}

// checkVerify lets the servers read every file of the backup once more.
func (d *demo) checkVerify(ctx context.Context) error {
	res, err := d.clients[0].Backups().Verify(ctx, d.backup.ID)
	if err != nil {
		return fmt.Errorf("verify: %w", err)
	}
	if !res.Intact {
		return errors.New("verify: not intact: " + strings.Join(res.Problems, "; "))
	}
	if err := res.Certificate.Check(nil); err != nil { // here, without the servers
		return fmt.Errorf("verify: %w", err)
	}
	d.say("verify: certificate and every file of the backup are intact")
	return nil
}

func ms(dur time.Duration) float64 { return dur.Seconds() * 1000 }
