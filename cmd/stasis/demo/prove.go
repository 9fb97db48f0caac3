package demo

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"stasis/minicluster/load"
)

func (d *demo) prove(ctx context.Context) error {
	d.title("Proof")
	count, sum, err := load.Sum(ctx, d.db(0), peopleCollection)
	if err != nil {
		return err
	}
	if count != d.people.count || sum != d.people.sum {
		return fmt.Errorf("people: %d with checksum %s, before the backup %d with %s", count, sum, d.people.count, d.people.sum)
	}
	d.say("people: %d, checksum %s: as before the backup", count, sum)
	state, err := load.Read(ctx, d.db(0), journal, accounts)
	if err != nil {
		return err
	}
	v, err := load.Check(d.history.Chains(), state, d.asked, d.done)
	if err != nil {
		return fmt.Errorf("the restored state is wrong: %w", err)
	}
	d.say("writes: %d are there and %d are not, in %d chains of which none has a hole", v.Present, v.Absent, v.Chains)
	d.say("all that was acknowledged before create was called is there, nothing that was begun after it returned")
	d.say("it is the state of one instant, between %.3f ms and %.3f ms after create was called (which took %.1f ms)",
		ms(v.Earliest-d.asked), ms(v.Latest-d.asked), ms(d.done-d.asked))
	return d.checkVerify(ctx)
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
