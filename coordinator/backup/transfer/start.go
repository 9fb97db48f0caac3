package transfer

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	agencyclient "stasis/agency/client"
	"stasis/agency/keys"
	"stasis/client/certificate"
	"stasis/coordinator/backup/backupid"
	"stasis/coordinator/backup/fanout"
	"stasis/coordinator/backup/operation"
	"stasis/coordinator/backup/topology"
	dbclient "stasis/dbserver/client"
	"stasis/event"
	"stasis/internal/apierror"
)

// Request asks for an upload or download of a backup. The configuration is sent to the DB servers
// and kept in memory until the job is over. It is stored nowhere.
type Request struct {
	Kind       string // keys.TransferUpload or keys.TransferDownload
	ID         string // of the backup
	Repository string // <name>:<path>
	Config     dbclient.RemoteConfig
	Options    dbclient.TransferOptions
	Keys       []certificate.PublicKey // of a download, if there are any: refuse what none of them has signed
}

// Start records a job with every DB server in it, and returns its id. The work goes on without the
// caller. If the backup does not exist, the job fails. A download to too few DB servers is refused
// here if the remote answers soon enough; otherwise its job fails before anything is moved.
func (s *Service) Start(ctx context.Context, r Request) (string, error) {
	if s.Movers == nil {
		return "", errNoTransfers
	}
	remote, err := dbclient.ParseRemote(r.Repository, r.Config)
	if err != nil {
		return "", err
	}
	ctx, leave, err := s.Life.Enter(ctx)
	if err != nil {
		return "", err
	}
	defer leave()
	c, _, err := s.Clusters.Latest(ctx)
	if err != nil {
		return "", err
	}
	if err := s.checkRemote(ctx, c.Members, remote, r.Config); err != nil {
		return "", err
	}
	job := keys.TransferJob{
		BackupID: r.ID, Timestamp: s.Wall.Stamp(), Kind: r.Kind, Remote: remote.Label(),
		Coordinator: s.Coordinator, RebootID: s.RebootID(), Nonce: backupid.Nonce(), DBServers: map[string]keys.TransferEntry{},
	}
	for _, m := range c.Members {
		job.DBServers[m.ID] = keys.TransferEntry{Status: keys.TransferNew}
	}
	work, over, err := s.Life.Enter(context.WithoutCancel(ctx))
	if err != nil {
		return "", err
	}
	s.register(job.Nonce, true)
	finish := func() { s.register(job.Nonce, false); over() }
	id, err := s.record(ctx, job)
	if err != nil {
		finish()
		return "", err
	}
	s.Log.Info("transfer started", "job", id, "kind", r.Kind, "backup", r.ID, "remote", remote.Label())
	d := &dispatcher{service: s, request: dbclient.TransferRequest{
		Job: id, Kind: r.Kind, BackupID: r.ID, Remote: remote, Config: r.Config, Options: r.Options, Trust: c.Trust(r.Keys),
	}, members: fanout.IDs(c.Members), steps: operation.NewEvents(keys.TransferOperation(r.Kind), r.ID, s.Steps), planned: make(chan error, 1)}
	d.emit(ctx, event.TransferRecorded, "")
	go func() { // s.Life waits for it
		defer finish()
		d.run(work)
	}()
	return id, d.refusal(ctx)
}

// record writes the job under the next number of the cluster's id range.
func (s *Service) record(ctx context.Context, job keys.TransferJob) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, s.Timeouts.Call)
	defer cancel()
	for {
		root, err := s.Agency.Read(ctx, keys.LatestID, keys.HotBackupDeleted, keys.HotBackupDeletes, keys.PlanDBServers, keys.ShortIDs)
		if err != nil {
			return "", operation.AgencyError(fmt.Errorf("record the transfer: %w", err))
		}
		if err := checkTombstones(root, job); err != nil {
			return "", err
		}
		latest := root.At(keys.LatestID)
		pre := agencyclient.OldEmpty(true)
		if latest.Exists() {
			pre = agencyclient.Exactly(latest)
		}
		id := strconv.FormatUint(topology.Number(latest)+1, 10)
		_, err = s.Agency.Write(ctx, agencyclient.Tx{
			Ops: map[string]any{keys.LatestID: agencyclient.Increment(1), keys.TransferJobKey(id): agencyclient.Set(job)},
			Pre: map[string]any{keys.LatestID: pre, keys.HotBackupDeletes: agencyclient.Exactly(root.At(keys.HotBackupDeletes))},
		})
		if err == nil {
			return id, nil
		}
		if !errors.Is(err, agencyclient.ErrPrecondition) {
			return "", operation.AgencyError(fmt.Errorf("record the transfer: %w", err))
		}
	}
}

// checkTombstones refuses to download a backup whose deletion is not complete: the new piece would
// be removed with the old one.
func checkTombstones(root *agencyclient.Node, job keys.TransferJob) error {
	if job.Kind != keys.TransferDownload {
		return nil
	}
	var waiting []string
	for _, server := range topology.Tombstones(root)[job.BackupID] {
		if root.At(keys.PlanDBServers + "/" + server).Exists() {
			waiting = append(waiting, topology.Name(root, server))
		}
	}
	if len(waiting) == 0 {
		return nil
	}
	return apierror.New(apierror.BackupConflict, "backup %s was deleted and can be downloaded again when its pieces are removed; waiting for %s",
		job.BackupID, strings.Join(waiting, ", "))
}
