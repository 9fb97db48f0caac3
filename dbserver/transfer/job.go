package transfer

import (
	"context"
	"errors"
	"fmt"

	"github.com/hashicorp/go-hclog"

	agencyclient "stasis/agency/client"
	"stasis/agency/keys"
	dbclient "stasis/dbserver/client"
	"stasis/internal/apierror"
	"stasis/internal/failpoint"
)

// job is one DB server's part of an upload or download.
//
// Its entry in the agency goes NEW → ACK → STARTED → COMPLETED, FAILED or CANCELLED.
// Every step has the step before as its precondition, so whatever two parties write
// at once, a final state stays; and COMPLETED requires that nobody has cancelled.
type job struct {
	*Manager
	request  dbclient.TransferRequest
	entry    keys.TransferEntry // as this job last wrote it
	progress *progress
	log      hclog.Logger
}

func (j *job) key() string { return keys.TransferEntryKey(j.request.Job, j.config.Server) }

func (j *job) cancelledKey() string { return keys.TransferJobKey(j.request.Job) + "/Cancelled" }

// view is what the agency says about this part.
type view struct {
	entry     keys.TransferEntry
	known     bool
	cancelled bool
	root      *agencyclient.Node
}

func viewOf(root *agencyclient.Node, job, server string) view {
	v := view{root: root}
	v.known = root.At(keys.TransferEntryKey(job, server)).Decode(&v.entry) == nil
	v.cancelled = root.At(keys.TransferJobKey(job) + "/Cancelled").Exists()
	return v
}

func (j *job) read(ctx context.Context) (view, error) {
	root, err := j.config.Agency.Read(ctx, keys.HotBackupJobs, keys.HotBackupLocks)
	if err != nil {
		return view{}, fmt.Errorf("read job %s: %w", j.request.Job, err)
	}
	return viewOf(root, j.request.Job, j.config.Server), nil
}

// accept takes the job and its lock. It answers false when there is nothing to do.
func (j *job) accept(ctx context.Context) (bool, error) {
	v, err := j.read(ctx)
	if err != nil {
		return false, err
	}
	if !v.known {
		return false, apierror.New(apierror.NotFound, "there is no transfer %s for this server", j.request.Job)
	}
	if err := j.recorded(v.root); err != nil {
		return false, err
	}
	j.entry = v.entry
	if v.entry.Final() {
		return false, nil
	}
	if v.cancelled {
		return false, j.end(ctx, errAborted)
	}
	location := keys.TransferLocation(j.request.Kind, j.request.Remote.Label(), j.request.BackupID, j.config.Server)
	pre, err := j.lockable(v.root, location)
	if err == nil && j.request.Kind == keys.TransferDownload {
		err = j.arrivals.begin(ctx, j.request.BackupID, j.request.Job)
	}
	if err != nil {
		return false, j.end(ctx, err)
	}
	next := keys.TransferEntry{
		Status: keys.TransferAck, Source: j.request.Source, RebootID: j.config.RebootID(), LockLocation: location,
		Progress: v.entry.Progress,
	}
	err = j.write(ctx, next, map[string]any{keys.TransferLock(location): agencyclient.Set(j.request.Job)}, map[string]any{keys.TransferLock(location): pre})
	return err == nil, err
}

// recorded refuses a request that says of a job what the agency does not: it is from no
// coordinator of the job, which goes on as it was recorded.
func (j *job) recorded(root *agencyclient.Node) error {
	job, r := root.At(keys.TransferJobKey(j.request.Job)), j.request
	is := func(name, want string) bool { return job.At(name).Text() == want }
	if is("Kind", r.Kind) && is("BackupId", r.BackupID) && is("Remote", r.Remote.Label()) || failpoint.Off("transfer-as-recorded") {
		return nil
	}
	return apierror.New(apierror.BackupConflict, "transfer %s is recorded as another one: of %s, %s, %s", r.Job,
		job.At("Kind").Text(), job.At("BackupId").Text(), job.At("Remote").Text())
}

// lockable gives the precondition under which the lock may be taken: it is free, is
// this job's, or is left over from a job whose part here is over.
func (j *job) lockable(root *agencyclient.Node, location string) (any, error) {
	lock := root.At(keys.TransferLock(location))
	if !lock.Exists() {
		return agencyclient.OldEmpty(true), nil
	}
	holder := lock.Text()
	other := viewOf(root, holder, j.config.Server)
	if holder != j.request.Job && other.known && !other.entry.Final() {
		return nil, apierror.New(apierror.BackupConflict, "job %s is transferring the same piece from or to the same place", holder)
	}
	return agencyclient.Exactly(lock), nil
}

// write changes the entry to next, with further operations, if it is still what
// this job knows.
func (j *job) write(ctx context.Context, next keys.TransferEntry, ops, pre map[string]any) error {
	tx := agencyclient.Tx{Ops: map[string]any{j.key(): agencyclient.Set(next)}, Pre: map[string]any{j.key() + "/Status": agencyclient.Old(j.entry.Status)}}
	for k, v := range ops {
		tx.Ops[k] = v
	}
	for k, v := range pre {
		tx.Pre[k] = v
	}
	if _, err := j.config.Agency.Write(ctx, tx); err != nil {
		return fmt.Errorf("report job %s: %w", j.request.Job, err)
	}
	j.entry = next
	return nil
}

// run does the work. When ctx ends because the server stops, the entry stays.
func (j *job) run(ctx context.Context) {
	ctx, cancel := context.WithCancelCause(ctx)
	watching := j.watch(ctx, cancel)
	err := j.transfer(ctx)
	if cause := context.Cause(ctx); err != nil && cause != nil {
		err = cause
	}
	cancel(nil)
	<-watching
	switch {
	case errors.Is(err, errClosing), errors.Is(err, errOverruled):
		j.log.Info("transfer left", "because", err)
		return
	}
	j.insistOnEnd(err)
}

// watch ends the work when somebody aborts the job, or has ended this part of it.
func (j *job) watch(ctx context.Context, cancel context.CancelCauseFunc) <-chan struct{} {
	done := make(chan struct{})
	go func() {
		defer close(done)
		seen := false
		snapshot, err := j.config.Watch.Wait(ctx, func(s agencyclient.Snapshot) bool {
			v := viewOf(s.Root, j.request.Job, j.config.Server)
			seen = seen || v.known
			return v.cancelled || v.entry.Final() || seen && !v.known
		})
		switch v := viewOf(snapshot.Root, j.request.Job, j.config.Server); {
		case err != nil:
		case v.cancelled && v.known && !v.entry.Final():
			cancel(errAborted)
		default:
			cancel(errOverruled)
		}
	}()
	return done
}

// transfer is the work itself.
func (j *job) transfer(ctx context.Context) error {
	if err := pause(ctx, j.timing.Hold); err != nil {
		return err
	}
	if err := j.begin(ctx); err != nil {
		return err
	}
	remote, err := j.open(ctx, j.request.Remote, j.request.Config)
	if err != nil {
		return badRemote(err)
	}
	reporting, stop := context.WithCancel(ctx)
	reported := make(chan struct{})
	go func() {
		defer close(reported)
		j.report(reporting)
	}()
	m := &mover{
		remote: remote, pieces: j.config.Pieces, timing: j.timing, progress: j.progress,
		limit: newLimiter(j.request.Options.BytesPerSecond), atOnce: j.request.Options.Transfers,
	}
	if m.atOnce == 0 {
		m.atOnce = defaultTransfers
	}
	if j.request.Kind == keys.TransferUpload {
		err = m.upload(ctx, j.request.BackupID, j.request.Servers)
	} else {
		err = m.download(ctx, j.request.BackupID, j.request.Source)
	}
	stop()
	<-reported
	return errors.Join(err, remote.Close())
}

// begin writes STARTED, waiting for the agency as long as it takes.
func (j *job) begin(ctx context.Context) error {
	next := j.entry
	next.Status, next.Progress = keys.TransferStarted, j.progress.look()
	for {
		err := j.write(ctx, next, nil, map[string]any{j.cancelledKey(): agencyclient.OldEmpty(true)})
		switch {
		case err == nil:
			return nil
		case errors.Is(err, agencyclient.ErrPrecondition), errors.Is(err, agencyclient.ErrUnknown):
			v, rerr := j.read(ctx)
			if rerr == nil && v.entry.Status == keys.TransferStarted && v.entry.RebootID == next.RebootID {
				j.entry = next
				return nil
			}
			if rerr == nil && v.cancelled {
				return errAborted
			}
			if rerr == nil && (v.entry.Final() || !v.known) {
				return errOverruled
			}
		}
		if err := pause(ctx, j.timing.Retry); err != nil {
			return err
		}
	}
}

// report writes progress now and then, and once when nothing moves any more. One that
// fails is not repeated: the next one follows.
func (j *job) report(ctx context.Context) {
	var last keys.TransferProgress
	for pause(ctx, j.timing.Report) == nil {
		now := j.progress.look()
		if now.Done == last.Done && now.BytesMoved == last.BytesMoved && now.Total == last.Total && now.BytesPerSecond == last.BytesPerSecond {
			continue
		}
		next := j.entry
		next.Progress = now
		if err := j.write(ctx, next, nil, nil); err != nil {
			j.log.Debug("progress not reported", "error", err)
			continue
		}
		last = *now
	}
}

// final is the entry for how the work ended.
func (j *job) final(err error) keys.TransferEntry {
	next := j.entry
	if p := j.progress.whole(); p.Total > 0 {
		next.Progress = p
	}
	switch {
	case err == nil:
		next.Status = keys.TransferCompleted
	case errors.Is(err, errAborted):
		next.Status = keys.TransferCancelled
	default:
		e := apierror.From(j.numbered(err))
		next.Status, next.Error, next.ErrorMessage = keys.TransferFailed, int(e.Num), e.Message
	}
	return next
}

// end writes how the work ended, and gives the lock back.
func (j *job) end(ctx context.Context, why error) error {
	next := j.final(why)
	ops, pre := map[string]any{}, map[string]any{}
	if next.LockLocation != "" {
		ops[keys.TransferLock(next.LockLocation)] = agencyclient.Delete()
	}
	if why == nil {
		pre[j.cancelledKey()] = agencyclient.OldEmpty(true)
	}
	return j.write(ctx, next, ops, pre)
}

// insistOnEnd reports the end until the agency has it, or knows better.
func (j *job) insistOnEnd(why error) {
	for {
		err := j.end(j.ctx, why)
		if err == nil {
			j.log.Info("transfer ended", "kind", j.request.Kind, "status", j.entry.Status, "error", j.entry.ErrorMessage)
			return
		}
		v, rerr := j.read(j.ctx)
		switch {
		case rerr != nil:
		case !v.known || v.entry.Final():
			return
		case v.cancelled && !errors.Is(why, errAborted):
			why = errAborted
			continue
		default:
			j.entry.Status = v.entry.Status
		}
		if pause(j.ctx, j.timing.Retry) != nil {
			return
		}
	}
}

// numbered gives an error the number that clients know.
func (j *job) numbered(err error) error {
	failed := apierror.BackupUpload
	if j.request.Kind == keys.TransferDownload {
		failed = apierror.BackupDownload
	}
	for _, kept := range []apierror.Num{
		apierror.NoSpace, apierror.NoSuchBackup, apierror.BackupConflict, apierror.BadRemote, apierror.BackupTopology,
	} {
		if errors.Is(err, kept) {
			return apierror.New(kept, "%w", err)
		}
	}
	if errors.Is(err, apierror.FileNotFound) {
		return apierror.New(apierror.NoSuchBackup, "%w", err)
	}
	return apierror.New(failed, "%w", err)
}
