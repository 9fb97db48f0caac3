package transfer

import (
	"context"
	"errors"
	"fmt"

	agencyclient "stasis/agency/client"
	"stasis/agency/keys"
	"stasis/coordinator/backup/operation"
	"stasis/coordinator/backup/topology"
	"stasis/internal/apierror"
)

// Status is the state of a transfer. Of the two ids, only that of its kind is set. The names of
// its attributes are ArangoDB's.
type Status struct {
	Timestamp  string                  `json:"Timestamp"`
	UploadID   string                  `json:"UploadId,omitempty"`
	DownloadID string                  `json:"DownloadId,omitempty"`
	Cancelled  bool                    `json:"Cancelled"`
	BackupID   string                  `json:"BackupId"`
	Remote     string                  `json:"RemoteRepository"`
	DBServers  map[string]ServerStatus `json:"DBServers"`
}

// ServerStatus is one DB server's part.
type ServerStatus struct {
	Status       string                 `json:"Status"`
	Progress     *keys.TransferProgress `json:"Progress,omitempty"`
	Error        int                    `json:"Error,omitempty"`
	ErrorMessage string                 `json:"ErrorMessage,omitempty"`
}

// Finished says whether every server's part is over.
func (s Status) Finished() bool {
	for _, e := range s.DBServers {
		if !(keys.TransferEntry{Status: e.Status}).Final() {
			return false
		}
	}
	return true
}

// Completed says whether every server has done its part.
func (s Status) Completed() bool {
	for _, e := range s.DBServers {
		if e.Status != keys.TransferCompleted {
			return false
		}
	}
	return true
}

func statusOf(id string, job keys.TransferJob) Status {
	st := Status{
		Timestamp: job.Timestamp, Cancelled: job.Cancelled, BackupID: job.BackupID, Remote: job.Remote,
		DBServers: map[string]ServerStatus{},
	}
	if st.UploadID = id; job.Kind == keys.TransferDownload {
		st.UploadID, st.DownloadID = "", id
	}
	for server, e := range job.DBServers {
		st.DBServers[server] = ServerStatus{e.Status, e.Progress, e.Error, e.ErrorMessage}
	}
	return st
}

// Status returns the state of a transfer of either kind. apierror.NotFound: it does not exist.
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
