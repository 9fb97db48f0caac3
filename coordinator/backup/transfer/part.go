package transfer

import (
	"context"
	"errors"

	agencyclient "stasis/agency/client"
	"stasis/agency/keys"
	"stasis/event"
	"stasis/internal/apierror"
	"stasis/internal/failpoint"
	"stasis/internal/wait"
)

// part is one server's part of a job, as the agency has it.
type part struct {
	job, server string
	kind        string // keys.TransferUpload or keys.TransferDownload
	backup      string // id
	entry       keys.TransferEntry
	cancelled   bool // the job
}

// partOf reads a part. known is false if the job does not exist, or the server has no part in it.
func partOf(root *agencyclient.Node, id, server string) (p part, known bool) {
	p.job, p.server = id, server
	var job keys.TransferJob
	if root.At(keys.TransferJobKey(id)).Decode(&job) != nil {
		return p, false
	}
	p.kind, p.backup, p.cancelled = job.Kind, job.BackupID, job.Cancelled
	p.entry, known = job.DBServers[server]
	return p, known
}

// end ends a part without its server, if the part is still p, and releases its lock. why is why the
// part failed; nil means that it had nothing to do. agencyclient.ErrPrecondition: the part has
// changed.
func (s *Service) end(ctx context.Context, p part, why error) error {
	was, e := p.entry.Status, p.entry
	e.EndedBy = s.Coordinator
	switch {
	case p.cancelled:
		e.Status = keys.TransferCancelled
	case why == nil:
		e.Status = keys.TransferCompleted
	default:
		a := apierror.From(why)
		e.Status, e.Error, e.ErrorMessage = keys.TransferFailed, int(a.Num), a.Message
	}
	key := keys.TransferEntryKey(p.job, p.server)
	err := s.write(ctx, agencyclient.Tx{
		Ops: map[string]any{key: agencyclient.Set(e)},
		Pre: map[string]any{key + "/Status": agencyclient.Old(was)},
	})
	if errors.Is(err, agencyclient.ErrUnknown) && !failpoint.Off("lost-end-is-told") && s.endedHere(ctx, p) {
		err = nil
	}
	if err != nil {
		return err
	}
	s.Steps.Emit(ctx, event.Event{
		Operation: keys.TransferOperation(p.kind), ID: p.backup, Step: e.EndStep(), Server: p.server, Detail: "job " + p.job, Error: e.ErrorMessage,
	})
	if e.LockLocation == "" {
		return nil
	}
	lock := keys.TransferLock(e.LockLocation)
	return s.write(ctx, agencyclient.Tx{Ops: map[string]any{lock: agencyclient.Delete()}, Pre: map[string]any{lock: agencyclient.Old(p.job)}})
}

// write gives one write its time. An outcome is unknown when that has passed: who asks what became of it needs another.
func (s *Service) write(ctx context.Context, tx agencyclient.Tx) error {
	ctx, cancel := context.WithTimeout(ctx, s.Timeouts.Call)
	defer cancel()
	_, err := s.Agency.Write(ctx, tx)
	return err
}

// endedHere tells whether it was this coordinator that has ended a part, although the agency's answer was lost. Without that the
// part would end without an event. It waits for the agency until ctx ends.
func (s *Service) endedHere(ctx context.Context, p part) bool {
	for {
		root, err := s.Agency.Read(ctx, keys.HotBackupJobs)
		if err == nil {
			now, known := partOf(root, p.job, p.server)
			return known && now.entry.Final() && now.entry.EndedBy == s.Coordinator
		}
		if wait.For(ctx, retryPause) != nil {
			return false // the next look at the part goes on from what is there
		}
	}
}

// failure is the number of an error that ends a part.
func failure(kind string) apierror.Num {
	if kind == keys.TransferDownload {
		return apierror.BackupDownload
	}
	return apierror.BackupUpload
}
