package transfer

import (
	"context"
	"errors"
	"fmt"

	agencyclient "stasis/agency/client"
	"stasis/agency/keys"
	"stasis/client"
	"stasis/coordinator/backup/operation"
	"stasis/coordinator/backup/topology"
	"stasis/internal/apierror"
)

// Status is the state of a transfer.
type Status = client.TransferStatus

func statusOf(id string, job keys.TransferJob) Status {
	st := Status{
		Timestamp: job.Timestamp, Cancelled: job.Cancelled, BackupID: job.BackupID, Remote: job.Remote,
		DBServers: map[string]client.ServerTransfer{},
	}
	if st.UploadID = id; job.Kind == keys.TransferDownload {
		st.UploadID, st.DownloadID = "", id
	}
	for server, e := range job.DBServers {
		st.DBServers[server] = client.ServerTransfer{
			Status: e.Status, Progress: (*client.TransferProgress)(e.Progress), Error: e.Error, ErrorMessage: e.ErrorMessage,
		}
	}
	return st
}

// Status returns the state of a transfer of either kind. [apierror.NotFound]: it does not exist.
func (s *Service) Status(ctx context.Context, id string) (Status, error) {
	_, root, err := s.Clusters.Latest(ctx)
	if err != nil {
		return Status{}, err
	}
	var job keys.TransferJob
	if !topology.IsJobID(id) || root.At(keys.TransferJobKey(id)).Decode(&job) != nil {
		return Status{}, apierror.New(apierror.NotFound, "there is no transfer %q", id)
	}
	return statusOf(id, job), nil
}

// All returns the transfers that the agency has, by id.
func (s *Service) All(ctx context.Context) (map[string]Status, error) {
	_, root, err := s.Clusters.Latest(ctx)
	if err != nil {
		return nil, err
	}
	found := map[string]Status{}
	for id, job := range topology.Transfers(root) {
		found[id] = statusOf(id, job)
	}
	return found, nil
}

// Abort asks for the end of a transfer. It does not change one that is over.
func (s *Service) Abort(ctx context.Context, id string) error {
	if _, err := s.Status(ctx, id); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, s.Timeouts.Call)
	defer cancel()
	key := keys.TransferJobKey(id)
	_, err := s.Agency.Write(ctx, agencyclient.Tx{
		Ops: map[string]any{key + "/Cancelled": agencyclient.Set(true)},
		Pre: map[string]any{key: agencyclient.OldEmpty(false)},
	})
	if err != nil && !errors.Is(err, agencyclient.ErrPrecondition) {
		return operation.AgencyError(fmt.Errorf("abort transfer %s: %w", id, err))
	}
	return nil
}
