package example

import (
	"context"
	"errors"
	"testing"
	"time"

	"stasis/client"
	"stasis/event"
	"stasis/fault"
	"stasis/minicluster"
)

// The disk of a DB server fills up in the middle of a backup. The backup fails, the reason can be told, nothing of
// it is left, and what was there before is as it was.
func TestDiskFillsUpDuringABackup(t *testing.T) {
	inLab(t, minicluster.Seams{}, func(l *lab) {
		ctx, c := l.Context(), l.clients[0]
		l.orders(50)
		before, err := c.Backups().Create(ctx, client.CreateRequest{Label: "before"})
		l.must(err)

		var full *fault.DiskFault
		l.at.On(fault.Moment{Step: event.CutDone}, func(context.Context, event.Event) {
			full = l.disks.Of("dbserver-2").Fill(fault.Calls{}, 0)
		})
		_, err = c.Backups().Create(ctx, client.CreateRequest{Label: "full"})
		if !errors.Is(err, client.ErrNoSpace) {
			l.Errorf("a backup on a full disk: %v", err)
		}
		if full == nil || full.Met() == 0 {
			l.Fatal("the disk was not full")
		}
		full.End()
		time.Sleep(time.Second) // the server notices that there is space again

		list, err := c.Backups().List(ctx)
		l.must(err)
		if len(list.List) != 1 || !list.List[before.ID].Available {
			l.Errorf("these backups are left: %+v", list.List)
		}
		l.must(c.Database("").Put(ctx, "orders", order{Key: "later"})) // no gate is shut
		verified, err := c.Backups().Verify(ctx, before.ID)
		l.must(err)
		if !verified.Intact {
			l.Errorf("backup %s: %v", before.ID, verified.Problems)
		}
	})
}
