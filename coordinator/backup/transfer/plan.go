package transfer

import (
	"context"
	"errors"
	"sync"

	agencyclient "stasis/agency/client"
	"stasis/agency/keys"
	"stasis/coordinator/backup/fanout"
	"stasis/coordinator/backup/piece"
	"stasis/coordinator/backup/topology"
	dbclient "stasis/dbserver/client"
	"stasis/internal/apierror"
)

// plan returns, for every server, the server whose piece it moves, "" for none. When the job is
// aborted, plan ends, because the remote may not answer.
func (d *dispatcher) plan(ctx context.Context) (map[string]string, error) {
	ctx, stop := context.WithCancel(ctx)
	var watching sync.WaitGroup
	watching.Go(func() {
		_, err := d.service.Cache.Wait(ctx, func(s agencyclient.Snapshot) bool {
			p, _ := d.part(s.Root, "")
			return p.cancelled
		})
		if err == nil {
			stop()
		}
	})
	defer watching.Wait()
	defer stop()
	if d.request.Kind == keys.TransferDownload {
		return d.planDownload(ctx)
	}
	return d.planUpload(ctx)
}

// planUpload finds out which servers have the backup's pieces. None may be missing: an incomplete
// backup at a remote is useless.
func (d *dispatcher) planUpload(ctx context.Context) (map[string]string, error) {
	id := d.request.BackupID
	c, _, err := d.service.Clusters.Latest(ctx)
	if err != nil {
		return nil, err
	}
	lists := fanout.Ask(ctx, c.Members, d.service.Timeouts.Stall, nil, func(ctx context.Context, m fanout.Member) (dbclient.ListResponse, error) {
		return piece.List(ctx, d.service.Lister, m, dbclient.ListRequest{IDs: []string{id}, WithDetails: true})
	})
	piece.Hide(c, lists)
	found := piece.Collect(lists, id)
	if len(found.Pieces) == 0 {
		if err := fanout.FirstError(lists); err != nil {
			return nil, apierror.New(apierror.BackupServersMissing, "look for backup %s: %w", id, err)
		}
		return nil, apierror.New(apierror.NoSuchBackup, "%w", c.Absence(id, d.service.Wall.Now()))
	}
	stored, _, err := found.Examine(c.Commits[id])
	if err != nil {
		return nil, apierror.New(apierror.BackupUpload, "backup %s cannot be uploaded: %w", id, errors.Join(err, fanout.FirstError(lists)))
	}
	d.request.Servers = topology.SortedSet(stored.DBServers)
	sources := map[string]string{}
	for source, holder := range found.Holders {
		sources[holder] = source
	}
	return sources, nil
}

// planDownload matches the servers of the backup at the remote with those of the cluster, as a
// restore will.
func (d *dispatcher) planDownload(ctx context.Context) (map[string]string, error) {
	id := d.request.BackupID
	c, _, err := d.service.Clusters.Latest(ctx)
	if err != nil {
		return nil, err
	}
	answer, err := d.service.askRemote(ctx, c.Members, dbclient.RemoteRequest{
		Operation: dbclient.RemoteList, ID: id, Remote: d.request.Remote, Config: d.request.Config,
	})
	switch {
	case err != nil:
		return nil, err
	case len(answer.Backups) == 0:
		return nil, apierror.New(apierror.NoSuchBackup, "there is no backup %s at the remote", id)
	case !answer.Backups[0].Complete:
		return nil, apierror.New(apierror.BackupDownload, "backup %s at the remote is not complete", id)
	}
	d.request.Servers = answer.Backups[0].Servers
	return topology.Match(d.request.Servers, d.members)
}
