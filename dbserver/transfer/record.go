package transfer

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"time"

	"github.com/hashicorp/go-hclog"

	agencyclient "stasis/agency/client"
	"stasis/agency/keys"
	dbclient "stasis/dbserver/client"
	"stasis/event"
	"stasis/internal/apierror"
	"stasis/internal/failpoint"
	"stasis/internal/wait"
	"stasis/internal/wall"
)

// Agency is what jobs ask of the agency; *agency/client.Client is one.
type Agency interface {
	Read(ctx context.Context, paths ...string) (*agencyclient.Node, error)
	Write(ctx context.Context, tx agencyclient.Tx) (uint64, error)
}

// record is what the agency has of one server's part of an upload or download.
//
// Its entry goes NEW → ACK → STARTED → COMPLETED, FAILED or CANCELLED. Every step has the
// step before as its precondition. A final state therefore stays, whatever two parties
// write at once, and COMPLETED requires that the job is not cancelled.
type record struct {
	agency  Agency
	server  string
	request dbclient.TransferRequest
	retry   time.Duration // before the agency is asked again
	steps   event.Sink
	log     hclog.Logger
	wall    wall.Clock // for ages in messages

	entry keys.TransferEntry // as this server last wrote it
}

func (r *record) key() string { return keys.TransferEntryKey(r.request.Job, r.server) }

func (r *record) cancelledKey() string { return keys.TransferJobKey(r.request.Job) + "/Cancelled" }

// state is what the agency says about one server's part of a job.
type state struct {
	entry     keys.TransferEntry
	known     bool
	cancelled bool
	root      *agencyclient.Node
}

func stateOf(root *agencyclient.Node, job, server string) state {
	s := state{root: root}
	s.known = root.At(keys.TransferEntryKey(job, server)).Decode(&s.entry) == nil
	s.cancelled = root.At(keys.TransferJobKey(job) + "/Cancelled").Exists()
	return s
}

// in is the state of this job in a tree.
func (r *record) in(root *agencyclient.Node) state { return stateOf(root, r.request.Job, r.server) }

func (r *record) read(ctx context.Context) (state, error) {
	root, err := r.agency.Read(ctx, keys.HotBackupJobs, keys.HotBackupLocks)
	if err != nil {
		return state{}, fmt.Errorf("read job %s: %w", r.request.Job, err)
	}
	return r.in(root), nil
}

// accept takes the job and its lock, after claim has succeeded. It returns false when
// there is nothing to do.
func (r *record) accept(ctx context.Context, rebootID uint64, claim func() error) (bool, error) {
	s, err := r.read(ctx)
	if err != nil {
		return false, err
	}
	if !s.known {
		return false, apierror.New(apierror.NotFound, "there is no transfer %s for this server", r.request.Job)
	}
	if err := r.matches(s.root); err != nil {
		return false, err
	}
	r.entry = s.entry
	if s.entry.Final() {
		return false, nil
	}
	if s.cancelled {
		return false, r.end(ctx, errAborted, nil)
	}
	location := keys.TransferLocation(r.request.Kind, r.request.Remote.Label(), r.request.BackupID, r.server)
	pre, err := r.lockable(s.root, location)
	if err == nil {
		err = claim()
	}
	if err != nil && !errors.Is(err, apierror.BackupConflict) {
		return false, err // the one that asked waits no more: the part can be given again
	}
	if err != nil {
		return false, r.end(ctx, err, nil)
	}
	next := keys.TransferEntry{
		Status: keys.TransferAck, Source: r.request.Source, RebootID: rebootID, LockLocation: location,
		Progress: s.entry.Progress,
	}
	err = r.write(ctx, next, map[string]any{keys.TransferLock(location): agencyclient.Set(r.request.Job)}, map[string]any{keys.TransferLock(location): pre})
	return err == nil, err
}

// matches returns apierror.BackupConflict for a request that differs from the job in the
// agency. Such a request comes from no coordinator of the job, which goes on as recorded.
func (r *record) matches(root *agencyclient.Node) error {
	job, q := root.At(keys.TransferJobKey(r.request.Job)), r.request
	is := func(name, want string) bool { return job.At(name).Text() == want }
	if is("Kind", q.Kind) && is("BackupId", q.BackupID) && is("Remote", q.Remote.Label()) || failpoint.Off("transfer-as-recorded") {
		return nil
	}
	return apierror.New(apierror.BackupConflict, "transfer %s is recorded as another one: of %s, %s, %s", q.Job,
		job.At("Kind").Text(), job.At("BackupId").Text(), job.At("Remote").Text())
}

// lockable returns the precondition under which the lock may be taken: it is free, is
// this job's, or is left over from a job whose part here is over.
func (r *record) lockable(root *agencyclient.Node, location string) (any, error) {
	lock := root.At(keys.TransferLock(location))
	if !lock.Exists() {
		return agencyclient.OldEmpty(true), nil
	}
	holder := lock.Text()
	other := stateOf(root, holder, r.server)
	if holder != r.request.Job && other.known && !other.entry.Final() {
		var job keys.TransferJob
		_ = root.At(keys.TransferJobKey(holder)).Decode(&job) // its entry could be read
		return nil, apierror.New(apierror.BackupConflict, "job %s is transferring the same piece from or to the same place: %s", holder, job.Describe(r.wall.Now()))
	}
	return agencyclient.Exactly(lock), nil
}

// write changes the entry to next, together with further operations, if the entry is
// still as this server last wrote it.
func (r *record) write(ctx context.Context, next keys.TransferEntry, ops, pre map[string]any) error {
	tx := agencyclient.Tx{Ops: map[string]any{r.key(): agencyclient.Set(next)}, Pre: map[string]any{r.key() + "/Status": agencyclient.Old(r.entry.Status)}}
	maps.Copy(tx.Ops, ops)
	maps.Copy(tx.Pre, pre)
	if _, err := r.agency.Write(ctx, tx); err != nil {
		return fmt.Errorf("report job %s: %w", r.request.Job, err)
	}
	r.entry = next
	return nil
}

// begin writes STARTED. It waits for the agency until ctx ends.
func (r *record) begin(ctx context.Context, p *keys.TransferProgress) error {
	next := r.entry
	next.Status, next.Progress = keys.TransferStarted, p
	for {
		err := r.write(ctx, next, nil, map[string]any{r.cancelledKey(): agencyclient.OldEmpty(true)})
		switch {
		case err == nil:
			return nil
		case errors.Is(err, agencyclient.ErrPrecondition), errors.Is(err, agencyclient.ErrUnknown):
			s, rerr := r.read(ctx)
			if rerr == nil && s.entry.Status == keys.TransferStarted && s.entry.RebootID == next.RebootID {
				r.entry = next
				return nil
			}
			if rerr == nil && s.cancelled {
				return errAborted
			}
			if rerr == nil && (s.entry.Final() || !s.known) {
				return errOverruled
			}
		}
		if err := wait.For(ctx, r.retry); err != nil {
			return err
		}
	}
}

// report writes progress once. A report that fails is not repeated: the next one follows.
func (r *record) report(ctx context.Context, p *keys.TransferProgress) error {
	next := r.entry
	next.Progress = p
	return r.write(ctx, next, nil, nil)
}

// end writes how the work ended, and gives the lock back. p is nil to leave the progress
// as it is.
func (r *record) end(ctx context.Context, why error, p *keys.TransferProgress) error {
	next := r.final(why)
	if p != nil {
		next.Progress = p
	}
	ops, pre := map[string]any{}, map[string]any{}
	if next.LockLocation != "" {
		ops[keys.TransferLock(next.LockLocation)] = agencyclient.Delete()
	}
	if why == nil {
		pre[r.cancelledKey()] = agencyclient.OldEmpty(true)
	}
	err := r.write(ctx, next, ops, pre)
	if errors.Is(err, agencyclient.ErrUnknown) {
		if s, rerr := r.read(ctx); rerr == nil && r.endedHere(s) {
			r.entry, err = s.entry, nil
		}
	}
	if err != nil {
		return err
	}
	r.ended(ctx, r.entry)
	return nil
}

// endedHere tells whether it was this server that has written how its part ended. Another that does so emits the event, too.
func (r *record) endedHere(s state) bool {
	return s.known && s.entry.Final() && (s.entry.EndedBy == r.server || failpoint.Off("one-tells-the-end"))
}

// ended emits how this server's part has ended.
func (r *record) ended(ctx context.Context, e keys.TransferEntry) {
	r.emit(ctx, event.Event{Step: e.EndStep(), Error: e.ErrorMessage})
}

func (r *record) emit(ctx context.Context, e event.Event) {
	e.Operation = keys.TransferOperation(r.request.Kind)
	e.ID, e.Server, e.Detail = r.request.BackupID, r.server, "job "+r.request.Job
	r.steps.Emit(ctx, e)
}

// final is the entry for how the work ended.
func (r *record) final(err error) keys.TransferEntry {
	next := r.entry
	next.EndedBy = r.server
	switch {
	case err == nil:
		next.Status = keys.TransferCompleted
	case errors.Is(err, errAborted):
		next.Status = keys.TransferCancelled
	default:
		e := apierror.From(numbered(err, r.request.Kind))
		next.Status, next.Error, next.ErrorMessage = keys.TransferFailed, int(e.Num), e.Message
	}
	return next
}

// insistOnEnd writes how the work ended until the agency has it, has another end, or ctx
// ends.
func (r *record) insistOnEnd(ctx context.Context, why error, progress func() *keys.TransferProgress) {
	for {
		err := r.end(ctx, why, progress())
		if err == nil {
			r.log.Info("transfer ended", "kind", r.request.Kind, "status", r.entry.Status, "error", r.entry.ErrorMessage)
			return
		}
		s, rerr := r.read(ctx)
		switch {
		case rerr != nil:
		case r.endedHere(s): // the answer to a write of this server was lost
			r.ended(ctx, s.entry)
			return
		case !s.known || s.entry.Final():
			return
		case s.cancelled && !errors.Is(why, errAborted):
			why = errAborted
			continue
		default:
			r.entry.Status = s.entry.Status
		}
		if wait.For(ctx, r.retry) != nil {
			return
		}
	}
}
