package example

import (
	"context"
	"fmt"
	"testing"
	"time"

	"stasis/client"
	"stasis/event"
	"stasis/fault"
	"stasis/minicluster"
)

// A coordinator is cut off from everything when the first DB server has answered that its cut is made. It holds the
// gates and the agency lock then. Nothing of that may stay: writers go on, the lock is released, and the backup is either
// complete or not there.
func TestCoordinatorIsCutOffAtTheCut(t *testing.T) {
	inLab(t, minicluster.Seams{}, func(l *lab) {
		l.orders(100)
		cutOff := l.at.On(fault.Moment{Step: event.CutDone, Operation: "create"}, func(context.Context, event.Event) {
			l.net.Isolate("coordinator-1")
		})
		answer := make(chan error, 1)
		go func() {
			_, err := l.clients[0].Backups().Create(l.Context(), client.CreateRequest{Label: "nightly"})
			answer <- err
		}()
		<-cutOff.Reached()
		begun := time.Now()

		// The gates open by themselves: each write, to any shard, is done soon.
		db := l.clients[1].Database("")
		for i := range 100 {
			before := time.Now()
			l.must(db.Put(l.Context(), "orders", order{Key: fmt.Sprint(i), Total: -1}))
			if took := time.Since(before); took > 2*time.Second {
				l.Fatalf("a write took %v: a gate was left shut", took)
			}
		}

		// The lock is released, and Plan is not frozen: another client can change the schema.
		l.eventually(time.Minute, func() error {
			status, err := l.clients[1].Status(l.Context())
			if err == nil && status.Lock != nil {
				err = fmt.Errorf("the lock is held: %+v", *status.Lock)
			}
			return err
		})
		l.must(db.CreateCollection(l.Context(), "invoices", 3))
		l.Logf("all was free %v after the cut", time.Since(begun))

		// The backup is complete, or it is not there.
		list, err := l.clients[1].Backups().List(l.Context())
		l.must(err)
		for id, b := range list.List {
			if !b.Available {
				l.Errorf("backup %s is listed and not complete", id)
			}
		}

		// The fault has happened: what the coordinator sent did not arrive.
		if l.net.Met("coordinator-1", "dbserver-1") == 0 {
			l.Error("the coordinator was not cut off")
		}
		l.net.HealAll()
		l.Logf("the create that was cut off: %v", <-answer)
		_, err = l.clients[0].Backups().Create(l.Context(), client.CreateRequest{Label: "next"})
		l.must(err)
	})
}
