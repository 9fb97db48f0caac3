package restore

import (
	"context"
	"slices"

	"stasis/client/certificate"
	"stasis/coordinator/backup/backupid"
	"stasis/coordinator/backup/fanout"
	"stasis/coordinator/backup/piece"
	dbclient "stasis/dbserver/client"
	"stasis/event"
	"stasis/internal/apierror"
	"stasis/internal/failpoint"
	"stasis/internal/wait"
)

// readPlan reads the cluster. Its DB servers take part.
func (r *restoration) readPlan(ctx context.Context) (err error) {
	r.op.Emit(ctx, event.Event{Step: event.PlanDump})
	r.cluster, err = r.by.Clusters.Locked(ctx, r.lock)
	return err
}

// collect lists the backup's pieces on every server, with what is stored beside them, and
// checks that they can be restored.
func (r *restoration) collect(ctx context.Context) error {
	if err := r.list(ctx); err != nil {
		return err
	}
	record, recorded := r.cluster.Commits[r.op.ID]
	if len(r.found.Pieces) == 0 && !recorded {
		return r.cluster.Absence(r.op.ID, r.by.Locks.Wall.Now())
	}
	var err error
	if r.plan, r.cert, err = r.found.Examine(record); err != nil {
		return apierror.New(apierror.BackupRestore, "backup %s: %w", r.op.ID, err)
	}
	if err = r.judgeSignature(); err != nil {
		return err
	}
	if r.request.IgnoreVersion {
		return nil
	}
	for source, p := range r.found.Pieces {
		if err := checkVersion(p.Version, r.by.Version); err != nil {
			return apierror.New(apierror.BackupRestore, "piece of %s: %w", source, err)
		}
	}
	return nil
}

// judgeSignature refuses a backup whose signature does not hold, and, if the request names keys, one
// that none of them has signed. Another backup that is not known to be of this cluster is restored,
// and said to be so: after a total loss it is all that there is.
func (r *restoration) judgeSignature() (err error) {
	if r.signed, err = r.found.Signature(r.cluster.Trust(r.request.Keys)); err != nil && !failpoint.Off("restore-checks-signature") {
		return apierror.New(apierror.BackupRestore, "backup %s: %w", r.op.ID, err)
	}
	if r.signed.Status != certificate.Signed {
		r.op.Log.Warn("the backup is not known to be of this cluster", "id", r.op.ID, "signature", r.signed.Status, "key", r.signed.Key)
	}
	return nil
}

// list asks all servers. All must answer, because each takes part. It also chooses the name of the
// failsafe backup: at most one is made in a second.
func (r *restoration) list(ctx context.Context) error {
	for {
		r.failsafe = backupid.Now(r.by.Locks.Wall)
		failsafe := r.failsafe.ID(FailsafeLabel)
		request := dbclient.ListRequest{IDs: []string{r.op.ID, failsafe}, WithDetails: true}
		lists := fanout.Ask(ctx, r.cluster.Members, r.by.Timeouts.Stall, fanout.AnyError, func(ctx context.Context, m fanout.Member) (dbclient.ListResponse, error) {
			return piece.List(ctx, r.by.Servers, m, request)
		})
		if err := fanout.FirstError(lists); err != nil {
			return fanout.Unavailable("all DB servers are needed for a restore", err)
		}
		piece.Hide(r.cluster, lists)
		r.found = piece.Collect(lists, r.op.ID)
		if r.op.ID == failsafe || !listed(lists, failsafe) {
			return nil
		}
		if err := wait.For(ctx, r.failsafe.UntilNext()); err != nil {
			return err
		}
	}
}

// listed says whether a server has a piece of the backup.
func listed(lists piece.Lists, id string) bool {
	return slices.ContainsFunc(lists, func(l fanout.Answer[dbclient.ListResponse]) bool {
		return slices.ContainsFunc(l.Value.Pieces, func(p dbclient.PieceDetail) bool { return p.ID == id })
	})
}
