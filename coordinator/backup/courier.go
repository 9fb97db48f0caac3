package backup

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	agency "stasis/agency/client"
	"stasis/agency/keys"
	dbserver "stasis/dbserver/client"
	"stasis/internal/apierror"
)

// courier looks after one transfer on the coordinator that was asked. It alone has
// the remote's configuration, in memory: it hands it to every DB server, and again to
// one that was started anew, until each has done its part. If it dies, servers that
// have the configuration go on; see sweepTransfers for the others.
type courier struct {
	*Service
	id      string
	kind    string
	request dbserver.TransferRequest
	members []string
	planned chan error // what became of the plan
}

// refused waits a little for the plan of a download, so that what cannot be done is
// said at once.
func (k *courier) refused(ctx context.Context) error {
	if k.kind != keys.TransferDownload {
		return nil
	}
	timer := time.NewTimer(k.Timing.Answer)
	defer timer.Stop()
	select {
	case err := <-k.planned:
		if errors.Is(err, apierror.BackupTopology) {
			return err
		}
	case <-timer.C:
	case <-ctx.Done():
	}
	return nil
}

// run plans who moves which piece, and sees that they do.
func (k *courier) run(ctx context.Context) {
	sources, err := k.plan(ctx)
	k.planned <- err
	if ctx.Err() != nil {
		return
	}
	var group sync.WaitGroup
	for _, server := range k.members {
		group.Go(func() {
			k.attend(ctx, server, sources[server], err)
		})
	}
	group.Wait()
}

// plan says for every server whose piece it moves: "" for none. An abort ends it:
// the remote may be silent.
func (k *courier) plan(ctx context.Context) (map[string]string, error) {
	ctx, stop := context.WithCancel(ctx)
	var watching sync.WaitGroup
	watching.Go(func() {
		_, err := k.Cache.Wait(ctx, func(s agency.Snapshot) bool {
			_, cancelled, _ := k.entry(s.Root, "")
			return cancelled
		})
		if err == nil {
			stop()
		}
	})
	defer watching.Wait()
	defer stop()
	if k.kind == keys.TransferDownload {
		return k.planDownload(ctx)
	}
	return k.planUpload(ctx)
}

// planUpload finds out who has the backup's pieces. They must all be there: what is
// at a remote is complete or of no use.
func (k *courier) planUpload(ctx context.Context) (map[string]string, error) {
	c, _, err := k.current(ctx)
	if err != nil {
		return nil, err
	}
	lists := ask(ctx, c.members, k.Timing.Deaf, nil, func(ctx context.Context, m member) (dbserver.ListResponse, error) {
		return k.listOn(ctx, m, dbserver.ListRequest{IDs: []string{k.request.BackupID}, WithDetails: true})
	})
	c.hide(lists)
	found := collectPieces(lists, k.request.BackupID)
	if len(found.pieces) == 0 {
		if err := firstError(lists); err != nil {
			return nil, apierror.New(apierror.BackupServersMissing, "look for backup %s: %w", k.request.BackupID, err)
		}
		return nil, apierror.New(apierror.NoSuchBackup, "there is no backup %s", k.request.BackupID)
	}
	stored, err := found.examine(c.commits[k.request.BackupID])
	if err != nil {
		return nil, apierror.New(apierror.BackupUpload, "backup %s cannot be uploaded: %w", k.request.BackupID, errors.Join(err, firstError(lists)))
	}
	k.request.Servers = sortedSet(stored.DBServers)
	sources := map[string]string{}
	for source, holder := range found.holders {
		sources[holder] = source
	}
	return sources, nil
}

// planDownload matches the servers of the backup at the remote with today's, as a
// restore will.
func (k *courier) planDownload(ctx context.Context) (map[string]string, error) {
	c, _, err := k.current(ctx)
	if err != nil {
		return nil, err
	}
	answer, err := k.askRemote(ctx, c.members, dbserver.RemoteRequest{
		Operation: dbserver.RemoteList, ID: k.request.BackupID, Remote: k.request.Remote, Config: k.request.Config,
	})
	switch {
	case err != nil:
		return nil, err
	case len(answer.Backups) == 0:
		return nil, apierror.New(apierror.NoSuchBackup, "there is no backup %s at the remote", k.request.BackupID)
	case !answer.Backups[0].Complete:
		return nil, apierror.New(apierror.BackupDownload, "backup %s at the remote is not complete", k.request.BackupID)
	}
	k.request.Servers = answer.Backups[0].Servers
	return Match(k.request.Servers, k.members)
}

// courierPause is the time between two tries to reach a DB server.
const courierPause = time.Second

// attend sees one server through its part. planErr ends it at once.
func (k *courier) attend(ctx context.Context, server, source string, planErr error) {
	var given uint64      // the reboot id of the process that has the configuration
	var missing time.Time // since when the server is gone
	for ctx.Err() == nil {
		snapshot, err := k.Cache.Sync(ctx)
		if err != nil {
			_ = pause(ctx, courierPause) // ctx is looked at above
			continue
		}
		e, cancelled, known := k.entry(snapshot.Root, server)
		if !known || e.Final() {
			return
		}
		_, reboot := k.target(snapshot.Root, server)
		switch here := !failed(snapshot.Root, server); {
		case here:
			missing = time.Time{}
		case missing.IsZero():
			missing = time.Now()
		}
		lost := !missing.IsZero() && (cancelled || time.Since(missing) > k.Timing.Lost)
		switch {
		case planErr != nil || source == "" || lost || cancelled && given == 0:
			k.end(ctx, server, e, cancelled, k.verdict(server, planErr, lost))
			continue
		case given == 0 || given != reboot:
			if given, planErr = k.hand(ctx, snapshot.Root, server, source); given == 0 {
				_ = pause(ctx, courierPause)
			}
			continue
		}
		k.await(ctx, server, reboot, cancelled)
	}
}

// verdict is why a part ends without the server: nil if there was nothing to do.
func (k *courier) verdict(server string, planErr error, lost bool) error {
	switch {
	case planErr != nil:
		return planErr
	case lost:
		return apierror.New(failedNumber(k.kind), "%s is gone; start the transfer again when it is back: it goes on where it was", server)
	}
	return nil
}

func (k *courier) entry(root *agency.Node, server string) (e keys.TransferEntry, cancelled, known bool) {
	var job keys.TransferJob
	if root.At(keys.TransferJobKey(k.id)).Decode(&job) != nil {
		return e, false, false
	}
	e, known = job.DBServers[server]
	return e, job.Cancelled, known
}

func (k *courier) target(root *agency.Node, server string) (dbserver.Target, uint64) {
	var known keys.Known
	url, err := serverURL(root, server)
	if err != nil || root.At(keys.ServerKnown(server)).Decode(&known) != nil {
		return dbserver.Target{}, 0
	}
	return dbserver.Target{URL: url, Epoch: known.Epoch}, known.RebootID
}

// hand gives the server its part. It returns the reboot id of the process that has
// it now, 0 if it could not be reached, or an error that ends the part.
func (k *courier) hand(ctx context.Context, root *agency.Node, server, source string) (uint64, error) {
	target, reboot := k.target(root, server)
	request := k.request
	request.Source = source
	call, cancel := context.WithTimeout(ctx, k.Timing.Deaf)
	defer cancel()
	err := k.Movers.Transfer(call, target, request)
	switch {
	case err == nil:
		return reboot, nil
	case passing(err) || ctx.Err() != nil || errors.Is(err, apierror.Internal) || errors.Is(err, apierror.NotFound):
		k.Logger.Debug("transfer not handed over", "job", k.id, "server", server, "error", err)
		return 0, nil
	}
	return 0, fmt.Errorf("%s: %w", server, err)
}

func (k *courier) end(ctx context.Context, server string, e keys.TransferEntry, cancelled bool, why error) {
	if err := k.endEntry(ctx, k.id, server, e, cancelled, why); err != nil && ctx.Err() == nil {
		_ = pause(ctx, courierPause)
	}
}

// await waits until something has changed that may need attention.
func (k *courier) await(ctx context.Context, server string, reboot uint64, cancelled bool) {
	ctx, stop := context.WithTimeout(ctx, 10*courierPause)
	defer stop()
	_, _ = k.Cache.Wait(ctx, func(s agency.Snapshot) bool { // the time has passed: look again
		e, nowCancelled, known := k.entry(s.Root, server)
		_, now := k.target(s.Root, server)
		return !known || e.Final() || now != reboot || nowCancelled != cancelled || failed(s.Root, server) && cancelled
	})
}
