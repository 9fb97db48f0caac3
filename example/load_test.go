package example

import (
	"context"
	"testing"
	"time"

	"stasis/client"
	"stasis/event"
	"stasis/fault"
	"stasis/lab/history"
	"stasis/lab/workload"
	"stasis/minicluster"
)

// A backup is taken while clients write, and while one DB server hears the coordinator late. It is one instant: the check
// knows when every write began and was acknowledged.
func TestBackupUnderLoadIsOneInstant(t *testing.T) {
	inLab(t, minicluster.Seams{}, func(l *lab) {
		found := l.backupUnderLoad(client.CreateRequest{Label: "busy"})
		if len(found.Problems) > 0 {
			l.Fatalf("the backup is no single instant: %v", found.Problems)
		}
		if found.Present == 0 || found.Absent == 0 {
			l.Fatalf("the backup was not taken in the middle of the load: %+v", found)
		}
		l.Logf("%d writes are in the backup, %d came later", found.Present, found.Absent)
	})
}

// The check is worth something: of a backup that holds up no writer, it finds that it is no single instant.
func TestWithoutLocksTheCheckNotices(t *testing.T) {
	inLab(t, minicluster.Seams{}, func(l *lab) {
		found := l.backupUnderLoad(client.CreateRequest{Label: "busy", LockMode: client.LockModeNone, AllowInconsistent: true})
		if len(found.Problems) == 0 {
			l.Fatalf("a backup that was taken without locks passes for one instant: %+v", found)
		}
		l.Logf("as expected: %v", found.Problems[0])
	})
}

// backupUnderLoad takes a backup while clients write, restores it, and checks what is there.
func (l *lab) backupUnderLoad(request client.CreateRequest) workload.Findings {
	ctx, h := l.Context(), history.New()
	// In virtual time a client without a pause would write for ever in one moment.
	w, err := workload.New(workload.Spec{Name: "chain", Clients: 6, Pace: 10 * time.Millisecond}, h)
	l.must(err)
	l.must(w.Setup(ctx, l.clients))
	writing, stop := context.WithCancel(ctx)
	written := make(chan error, 1)
	go func() { written <- w.Run(writing, l.clients, 30*time.Second) }()

	const lateness = 50 * time.Millisecond
	late := l.at.On(fault.Moment{Step: event.Cut}, func(context.Context, event.Event) {
		l.net.Delay("coordinator-1", "dbserver-2", lateness)
	})
	last := l.at.On(fault.Moment{Step: event.CutDone, After: 2}, func(context.Context, event.Event) {}) // of three DB servers
	time.Sleep(500 * time.Millisecond)
	cut := workload.Cut{Asked: h.Now()}
	made, err := l.clients[0].Backups().Create(ctx, request)
	l.must(err)
	cut.Returned = h.Now()
	asks, _ := late.Met()
	if done, met := last.Met(); !met || done.At.Sub(asks.At) < lateness {
		l.Fatal("no DB server heard the coordinator late")
	}
	l.net.HealAll()
	time.Sleep(500 * time.Millisecond)
	stop()
	l.must(<-written)

	_, err = l.clients[0].Backups().Restore(ctx, client.RestoreRequest{ID: made.ID})
	l.must(err)
	found, err := w.CheckCut(ctx, l.clients[1], cut)
	l.must(err)
	return found
}
