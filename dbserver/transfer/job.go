package transfer

import (
	"context"
	"errors"

	agencyclient "stasis/agency/client"
	"stasis/agency/keys"
	"stasis/dbserver/backup"
	"stasis/dbserver/transfer/repository"
	"stasis/dbserver/transfer/storage"
	"stasis/event"
	"stasis/internal/wait"
)

// Watch follows the agency; *agency/client.Cache is one.
type Watch interface {
	Wait(ctx context.Context, ok func(agencyclient.Snapshot) bool) (agencyclient.Snapshot, error)
}

// job does one DB server's part of an upload or download, and reports it in its record.
type job struct {
	record   *record
	watch    Watch
	pieces   *backup.Store
	open     func(ctx context.Context) (*repository.Repository, error)
	timing   Timing
	progress *progress
}

// run does the work. When ctx ends because the server stops, the entry stays.
func (j *job) run(ctx context.Context) {
	working, cancel := context.WithCancelCause(ctx)
	watching := j.watchForEnd(working, cancel)
	err := j.transfer(working)
	if cause := context.Cause(working); err != nil && cause != nil {
		err = cause
	}
	cancel(nil)
	<-watching
	switch {
	case errors.Is(err, errClosing), errors.Is(err, errOverruled):
		j.record.log.Info("transfer left", "because", err)
		return
	}
	j.record.insistOnEnd(ctx, err, j.progress.atEnd)
}

// watchForEnd cancels the work when the job is aborted, or another process has ended this
// part of it.
func (j *job) watchForEnd(ctx context.Context, cancel context.CancelCauseFunc) <-chan struct{} {
	done := make(chan struct{})
	go func() {
		defer close(done)
		seen := false
		snapshot, err := j.watch.Wait(ctx, func(now agencyclient.Snapshot) bool {
			s := j.record.in(now.Root)
			seen = seen || s.known
			return s.cancelled || s.entry.Final() || seen && !s.known
		})
		switch s := j.record.in(snapshot.Root); {
		case err != nil:
		case s.cancelled && s.known && !s.entry.Final():
			cancel(errAborted)
		default:
			cancel(errOverruled)
		}
	}()
	return done
}

// transfer is the work itself.
func (j *job) transfer(ctx context.Context) error {
	if err := wait.For(ctx, j.timing.Hold); err != nil {
		return err
	}
	if err := j.record.begin(ctx, j.progress.look()); err != nil {
		return err
	}
	j.record.emit(ctx, event.Event{Step: event.PieceStarted})
	remote, err := j.open(ctx)
	if err != nil {
		return badRemote(err)
	}
	reporting, stop := context.WithCancel(ctx)
	reported := make(chan struct{})
	go func() {
		defer close(reported)
		j.report(reporting)
	}()
	err = j.move(ctx, remote)
	stop()
	<-reported
	return errors.Join(err, remote.Close())
}

func (j *job) move(ctx context.Context, remote *repository.Repository) error {
	q := j.record.request
	m := &mover{
		remote: remote, pieces: j.pieces, progress: j.progress,
		limit: storage.NewLimiter(q.Options.BytesPerSecond), atOnce: q.Options.Transfers, trust: q.Trust,
		aborted: func(ctx context.Context) bool {
			s, err := j.record.read(ctx) // without an answer, the end of the part finds out
			return err == nil && s.cancelled
		},
	}
	if m.atOnce == 0 {
		m.atOnce = defaultTransfers
	}
	if q.Kind == keys.TransferUpload {
		return m.upload(ctx, q.BackupID, q.Servers)
	}
	return m.download(ctx, q.BackupID, q.Source)
}

// report writes progress while the job works, unless nothing has moved since the report
// before.
func (j *job) report(ctx context.Context) {
	var last keys.TransferProgress
	for wait.For(ctx, j.timing.Report) == nil {
		now := j.progress.look()
		if now.Done == last.Done && now.BytesMoved == last.BytesMoved && now.Total == last.Total && now.BytesPerSecond == last.BytesPerSecond {
			continue
		}
		if err := j.record.report(ctx, now); err != nil {
			j.record.log.Debug("progress not reported", "error", err)
			continue
		}
		last = *now
	}
}
