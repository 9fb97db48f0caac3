package backup

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	agency "stasis/agency/client"
	"stasis/agency/keys"
	dbserver "stasis/dbserver/client"
	"stasis/internal/apierror"
)

// Movers asks one DB server for its part of a transfer; *dbserver/client.Client is
// one. No method repeats a request.
type Movers interface {
	Transfer(ctx context.Context, t dbserver.Target, r dbserver.TransferRequest) error
	Remote(ctx context.Context, t dbserver.Target, r dbserver.RemoteRequest) (dbserver.RemoteResponse, error)
}

// TransferRequest asks for an upload or download of a backup. The configuration is
// handed to the DB servers and kept in memory until the job is over, no longer and
// nowhere else.
type TransferRequest struct {
	Kind       string // keys.TransferUpload or keys.TransferDownload
	ID         string
	Repository string // <name>:<path>
	Config     dbserver.RemoteConfig
	Options    dbserver.TransferOptions
}

// TransferStatus is how a transfer stands. Of the ids only that of its kind is set.
type TransferStatus struct {
	Timestamp  string                          `json:"Timestamp"`
	UploadID   string                          `json:"UploadId,omitempty"`
	DownloadID string                          `json:"DownloadId,omitempty"`
	Cancelled  bool                            `json:"Cancelled"`
	BackupID   string                          `json:"BackupId"`
	Remote     string                          `json:"RemoteRepository"`
	DBServers  map[string]TransferServerStatus `json:"DBServers"`
}

// TransferServerStatus is one DB server's part.
type TransferServerStatus struct {
	Status       string                 `json:"Status"`
	Progress     *keys.TransferProgress `json:"Progress,omitempty"`
	Error        int                    `json:"Error,omitempty"`
	ErrorMessage string                 `json:"ErrorMessage,omitempty"`
}

// Finished says whether every server's part is over, and Completed whether all of
// them went well.
func (s TransferStatus) Finished() bool {
	for _, e := range s.DBServers {
		if !(keys.TransferEntry{Status: e.Status}).Final() {
			return false
		}
	}
	return true
}

// Completed says whether every server's part was done.
func (s TransferStatus) Completed() bool {
	for _, e := range s.DBServers {
		if e.Status != keys.TransferCompleted {
			return false
		}
	}
	return true
}

var errNoTransfers = apierror.New(apierror.NotImplemented, "this coordinator does not do uploads and downloads")

// StartTransfer records a job with every DB server in it, and returns its id; the
// work goes on without the caller. A backup that does not exist makes a job that
// fails. A download to too few DB servers is refused here, if the remote answers
// soon enough; otherwise it makes a job that fails before anything is moved.
func (s *Service) StartTransfer(ctx context.Context, r TransferRequest) (string, error) {
	if s.Movers == nil {
		return "", errNoTransfers
	}
	remote, err := dbserver.ParseRemote(r.Repository, r.Config)
	if err != nil {
		return "", err
	}
	ctx, leave, err := s.enter(ctx)
	if err != nil {
		return "", err
	}
	defer leave()
	c, _, err := s.current(ctx)
	if err != nil {
		return "", err
	}
	if err := s.checkRemote(ctx, c.members, remote, r.Config); err != nil {
		return "", err
	}
	job := keys.TransferJob{
		BackupID: r.ID, Timestamp: time.Now().UTC().Format(time.RFC3339), Kind: r.Kind, Remote: remote.Label(),
		Coordinator: s.ID, RebootID: s.RebootID(), Nonce: newNonce(), DBServers: map[string]keys.TransferEntry{},
	}
	for _, m := range c.members {
		job.DBServers[m.id] = keys.TransferEntry{Status: keys.TransferNew}
	}
	work, over, err := s.enter(context.WithoutCancel(ctx))
	if err != nil {
		return "", err
	}
	s.carrying(job.Nonce, true)
	finish := func() { s.carrying(job.Nonce, false); over() }
	id, err := s.record(ctx, job)
	if err != nil {
		finish()
		return "", err
	}
	s.Logger.Info("transfer started", "job", id, "kind", r.Kind, "backup", r.ID, "remote", remote.Label())
	k := &courier{Service: s, id: id, kind: r.Kind, request: dbserver.TransferRequest{
		Job: id, Kind: r.Kind, BackupID: r.ID, Remote: remote, Config: r.Config, Options: r.Options,
	}, members: ids(c.members), planned: make(chan error, 1)}
	go func() {
		defer finish()
		k.run(work)
	}()
	return id, k.refused(ctx)
}

// record writes the job under a fresh number from the cluster's id range.
func (s *Service) record(ctx context.Context, job keys.TransferJob) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, s.Timing.Agency)
	defer cancel()
	for {
		root, err := s.Agency.Read(ctx, keys.LatestID, keys.HotBackupDeleted, keys.HotBackupDeletes, keys.PlanDBServers, keys.ShortIDs)
		if err != nil {
			return "", agencyError(fmt.Errorf("record the transfer: %w", err))
		}
		if err := mayArrive(root, job); err != nil {
			return "", err
		}
		latest := root.At(keys.LatestID)
		pre := agency.OldEmpty(true)
		if latest.Exists() {
			pre = agency.Exactly(latest)
		}
		id := strconv.FormatUint(number(latest)+1, 10)
		_, err = s.Agency.Write(ctx, agency.Tx{
			Ops: map[string]any{keys.LatestID: agency.Increment(1), keys.TransferJobKey(id): agency.Set(job)},
			Pre: map[string]any{keys.LatestID: pre, keys.HotBackupDeletes: agency.Exactly(root.At(keys.HotBackupDeletes))},
		})
		if err == nil {
			return id, nil
		}
		if !errors.Is(err, agency.ErrPrecondition) {
			return "", agencyError(fmt.Errorf("record the transfer: %w", err))
		}
	}
}

// mayArrive refuses to download a backup whose deletion is not over: the new piece
// would go with the old one.
func mayArrive(root *agency.Node, job keys.TransferJob) error {
	var waiting []string
	for _, server := range doomedIn(root)[job.BackupID] {
		if job.Kind == keys.TransferDownload && root.At(keys.PlanDBServers+"/"+server).Exists() {
			waiting = append(waiting, nameOf(root, server))
		}
	}
	if len(waiting) == 0 {
		return nil
	}
	return apierror.New(apierror.BackupConflict, "backup %s was deleted and can be downloaded again when its pieces are gone; waiting for %s",
		job.BackupID, strings.Join(waiting, ", "))
}

// TransferStatus says how a transfer stands, whatever its kind; 404 if there is none.
func (s *Service) TransferStatus(ctx context.Context, id string) (TransferStatus, error) {
	_, root, err := s.current(ctx)
	if err != nil {
		return TransferStatus{}, err
	}
	var job keys.TransferJob
	if !numeric(id) || root.At(keys.TransferJobKey(id)).Decode(&job) != nil {
		return TransferStatus{}, apierror.New(apierror.NotFound, "there is no transfer %q", id)
	}
	return statusOfJob(id, job), nil
}

func numeric(id string) bool {
	_, err := strconv.ParseUint(id, 10, 64)
	return err == nil
}

func statusOfJob(id string, job keys.TransferJob) TransferStatus {
	st := TransferStatus{
		Timestamp: job.Timestamp, Cancelled: job.Cancelled, BackupID: job.BackupID, Remote: job.Remote,
		DBServers: map[string]TransferServerStatus{},
	}
	if st.UploadID = id; job.Kind == keys.TransferDownload {
		st.UploadID, st.DownloadID = "", id
	}
	for server, e := range job.DBServers {
		st.DBServers[server] = TransferServerStatus{e.Status, e.Progress, e.Error, e.ErrorMessage}
	}
	return st
}

// Transfers lists the transfers that the agency remembers, by id.
func (s *Service) Transfers(ctx context.Context) (map[string]TransferStatus, error) {
	_, root, err := s.current(ctx)
	if err != nil {
		return nil, err
	}
	found := map[string]TransferStatus{}
	for id, job := range jobsIn(root) {
		found[id] = statusOfJob(id, job)
	}
	return found, nil
}

// jobsIn are the jobs in the agency; one that cannot be read is left out.
func jobsIn(root *agency.Node) map[string]keys.TransferJob {
	found := map[string]keys.TransferJob{}
	for id, n := range root.At(keys.HotBackupJobs).Children() {
		var job keys.TransferJob
		if numeric(id) && n.Decode(&job) == nil {
			found[id] = job
		}
	}
	return found
}

// AbortTransfer asks for the end of a transfer; one that is over stays as it is.
func (s *Service) AbortTransfer(ctx context.Context, id string) error {
	if _, err := s.TransferStatus(ctx, id); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, s.Timing.Agency)
	defer cancel()
	key := keys.TransferJobKey(id)
	_, err := s.Agency.Write(ctx, agency.Tx{
		Ops: map[string]any{key + "/Cancelled": agency.Set(true)},
		Pre: map[string]any{key: agency.OldEmpty(false)},
	})
	if err != nil && !errors.Is(err, agency.ErrPrecondition) {
		return agencyError(fmt.Errorf("abort transfer %s: %w", id, err))
	}
	return nil
}

// RemoteRequest asks about a remote, or for keeping order there.
type RemoteRequest struct {
	Operation  string // dbserver.RemoteList …
	ID         string
	Repository string
	Config     dbserver.RemoteConfig
}

// Remote has a DB server look at a remote, or keep order there: the first that
// answers. The request may take as long as the remote does.
func (s *Service) Remote(ctx context.Context, r RemoteRequest) (dbserver.RemoteResponse, error) {
	if s.Movers == nil {
		return dbserver.RemoteResponse{}, errNoTransfers
	}
	remote, err := dbserver.ParseRemote(r.Repository, r.Config)
	if err != nil {
		return dbserver.RemoteResponse{}, err
	}
	ctx, leave, err := s.enter(ctx)
	if err != nil {
		return dbserver.RemoteResponse{}, err
	}
	defer leave()
	c, _, err := s.current(ctx)
	if err != nil {
		return dbserver.RemoteResponse{}, err
	}
	return s.askRemote(ctx, c.members, dbserver.RemoteRequest{Operation: r.Operation, ID: r.ID, Remote: remote, Config: r.Config})
}

// checkRemote has a DB server say whether it would open a remote, so that a
// configuration that is refused is refused before there is a job. What may be
// configured is the operator's of the DB servers to say, and only they have rclone. While none of
// them answers the job is recorded: each of them checks again before it opens anything.
func (s *Service) checkRemote(ctx context.Context, members []member, remote dbserver.Remote, config dbserver.RemoteConfig) error {
	ctx, cancel := context.WithTimeout(ctx, s.Timing.Answer)
	defer cancel()
	_, err := s.askRemote(ctx, members, dbserver.RemoteRequest{Operation: dbserver.RemoteCheck, Remote: remote, Config: config})
	if err == nil || passing(err) || ctx.Err() != nil {
		return nil
	}
	return err
}

func (s *Service) askRemote(ctx context.Context, members []member, r dbserver.RemoteRequest) (answer dbserver.RemoteResponse, err error) {
	ctx, cancel := context.WithTimeout(ctx, s.Timing.Remote)
	defer cancel()
	for _, m := range members {
		answer, err = s.Movers.Remote(ctx, m.target, r)
		if err == nil || !passing(err) {
			break
		}
	}
	return answer, err
}

// passing: the DB server is not there just now.
func passing(err error) bool {
	return unreachable(err) || errors.Is(err, apierror.StartingUp) || errors.Is(err, apierror.ShuttingDown) || errors.Is(err, apierror.ServiceUnavailable)
}

// carrying remembers that this coordinator has a job's configuration.
func (s *Service) carrying(nonce string, yes bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.couriers == nil {
		s.couriers = map[string]bool{}
	}
	if yes {
		s.couriers[nonce] = true
	} else {
		delete(s.couriers, nonce)
	}
}

func (s *Service) carries(nonce string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.couriers[nonce]
}

// transfersKept is how many transfers that are over the agency remembers.
const transfersKept = 100

// sweepPause is the time between two looks at transfers that nobody looks after.
const sweepPause = 2 * time.Second

// sweepTransfers ends the parts of jobs that nobody can finish, until ctx ends: the
// coordinator that had the configuration is gone, and the DB server does not have it
// any more, or is gone too. Any number of coordinators may do so at once.
func (s *Service) sweepTransfers(ctx context.Context) {
	for pause(ctx, sweepPause) == nil {
		root := s.Cache.Snapshot().Root
		jobs := jobsIn(root)
		for _, id := range slices.Sorted(maps.Keys(jobs)) {
			if job := jobs[id]; !job.Finished() && !s.lookedAfter(root, job) {
				s.endOrphans(ctx, root, id, job)
			}
		}
		s.forgetTransfers(ctx, jobs)
	}
}

// lookedAfter: the coordinator that was asked lives, and still has the job.
func (s *Service) lookedAfter(root *agency.Node, job keys.TransferJob) bool {
	if job.Coordinator == s.ID && job.RebootID == s.RebootID() {
		return s.carries(job.Nonce)
	}
	return !gone(root, keys.Holder{Coordinator: job.Coordinator, RebootID: job.RebootID})
}

func (s *Service) endOrphans(ctx context.Context, root *agency.Node, id string, job keys.TransferJob) {
	for server, e := range job.DBServers {
		if e.Final() || e.RebootID != 0 && runs(root, server, e.RebootID) {
			continue // it goes on without the coordinator
		}
		err := s.endEntry(ctx, id, server, e, job.Cancelled, apierror.New(failedNumber(job.Kind),
			"%s does not have the remote's configuration any more, nor does any coordinator; start the transfer again: it goes on where it was", server))
		if err != nil && ctx.Err() == nil && !errors.Is(err, agency.ErrPrecondition) {
			s.Logger.Warn("transfer that nobody looks after", "job", id, "error", err)
		}
	}
}

// runs: the server has not been started again since, and is not gone.
func runs(root *agency.Node, server string, rebootID uint64) bool {
	var known keys.Known
	err := root.At(keys.ServerKnown(server)).Decode(&known)
	return err == nil && known.RebootID == rebootID && !failed(root, server)
}

// failed says that the supervision has given a server up: it has no lease, so it serves
// nothing, and it swaps its engine before it serves again. A restore does not wait for
// it; if its shards have other replicas, these succeed when the lock is released.
func failed(root *agency.Node, server string) bool {
	return root.At(keys.Health+"/"+server+"/Status").Text() == statusFailed
}

func failedNumber(kind string) apierror.Num {
	if kind == keys.TransferDownload {
		return apierror.BackupDownload
	}
	return apierror.BackupUpload
}

// endEntry ends one server's part, if it is still as e says, and takes its lock away.
// Without a reason why it failed there was nothing to do.
func (s *Service) endEntry(ctx context.Context, id, server string, e keys.TransferEntry, cancelled bool, why error) error {
	ctx, cancel := context.WithTimeout(ctx, s.Timing.Agency)
	defer cancel()
	was := e.Status
	switch {
	case cancelled:
		e.Status = keys.TransferCancelled
	case why == nil:
		e.Status = keys.TransferCompleted
	default:
		a := apierror.From(why)
		e.Status, e.Error, e.ErrorMessage = keys.TransferFailed, int(a.Num), a.Message
	}
	key := keys.TransferEntryKey(id, server)
	_, err := s.Agency.Write(ctx, agency.Tx{
		Ops: map[string]any{key: agency.Set(e)},
		Pre: map[string]any{key + "/Status": agency.Old(was)},
	})
	if err != nil || e.LockLocation == "" {
		return err
	}
	lock := keys.TransferLock(e.LockLocation)
	_, err = s.Agency.Write(ctx, agency.Tx{Ops: map[string]any{lock: agency.Delete()}, Pre: map[string]any{lock: agency.Old(id)}})
	return err
}

// forgetTransfers keeps the newest of the transfers that are over.
func (s *Service) forgetTransfers(ctx context.Context, jobs map[string]keys.TransferJob) {
	var over []uint64
	for id, job := range jobs {
		if n, err := strconv.ParseUint(id, 10, 64); err == nil && job.Finished() {
			over = append(over, n)
		}
	}
	slices.Sort(over)
	for _, n := range over[:max(0, len(over)-transfersKept)] {
		id := strconv.FormatUint(n, 10)
		call, cancel := context.WithTimeout(ctx, s.Timing.Agency)
		_, err := s.Agency.Write(call, agency.Tx{
			Ops: map[string]any{keys.TransferJobKey(id): agency.Delete()},
			Pre: map[string]any{keys.TransferJobKey(id) + "/Nonce": agency.Old(jobs[id].Nonce)},
		})
		cancel()
		if err != nil && !errors.Is(err, agency.ErrPrecondition) {
			return // the next round tries again
		}
	}
}
