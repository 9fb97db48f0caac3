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
	"stasis/minicluster/load"
)

// A backup is taken while clients write, and while one DB server hears the coordinator late. It is one instant: the check
// knows when every write began and was acknowledged.
func TestBackupUnderLoadIsOneInstant(t *testing.T) {
	inLab(t, minicluster.Seams{}, func(l *lab) {
		verdict, err := l.backupUnderLoad()
		l.must(err)
		if verdict.Present == 0 || verdict.Absent == 0 {
			l.Fatalf("the backup was not taken in the middle of the load: %+v", verdict)
		}
		l.Logf("%d writes are in the backup, %d came later", verdict.Present, verdict.Absent)
	})
}

// The check is worth something: of a cluster whose backups hold up no writer, it finds that a backup is no
// single instant.
func TestWithoutLocksTheCheckNotices(t *testing.T) {
	inLab(t, minicluster.Seams{WithoutLocks: true}, func(l *lab) {
		if verdict, err := l.backupUnderLoad(); err == nil {
			l.Fatalf("a backup that was taken without locks passes for one instant: %+v", verdict)
		} else {
			l.Logf("as expected: %v", err)
		}
	})
}

// backupUnderLoad takes a backup while clients write, restores it, and checks what is there.
func (l *lab) backupUnderLoad() (load.Verdict, error) {
	ctx, db, history := l.Context(), l.clients[1].Database(""), load.NewHistory()
	l.must(db.CreateCollection(ctx, "inserted", 6))
	l.must(db.CreateCollection(ctx, "updated", 6))
	var writers []load.Writer
	for i := range 3 {
		writers = append(writers, load.Inserts(fmt.Sprint("i", i), db, "inserted"), load.Updates(fmt.Sprint("u", i), db, "updated"))
	}
	for i := range writers {
		writers[i].Pause = 10 * time.Millisecond // in virtual time a client without a pause would write for ever in one moment
	}
	writing, stop := context.WithCancel(ctx)
	written := make(chan error, 1)
	go func() { written <- load.Run(writing, history, 30*time.Second, writers...) }()

	const lateness = 50 * time.Millisecond
	late := l.at.On(fault.Moment{Step: event.Cut}, func(context.Context, event.Event) {
		l.net.Delay("coordinator-1", "dbserver-2", lateness)
	})
	last := l.at.On(fault.Moment{Step: event.CutDone, After: 2}, func(context.Context, event.Event) {}) // of three DB servers
	time.Sleep(500 * time.Millisecond)
	asked := history.Now()
	made, err := l.clients[0].Backups().Create(ctx, client.CreateRequest{Label: "busy"})
	l.must(err)
	returned := history.Now()
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
	state, err := load.Read(ctx, db, "inserted", "updated")
	l.must(err)
	return load.Check(history.Chains(), state, asked, returned)
}
