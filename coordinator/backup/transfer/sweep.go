package transfer

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strconv"
	"time"

	agencyclient "stasis/agency/client"
	"stasis/agency/keys"
	"stasis/coordinator/backup/topology"
	"stasis/internal/apierror"
	"stasis/internal/wait"
)

// kept is how many transfers that are over stay in the agency.
const kept = 100

// sweepPause is the time between two sweeps.
const sweepPause = 2 * time.Second

// Sweep ends the parts of jobs that no server can complete, until ctx ends: those whose coordinator
// has died with the configuration, and whose DB server has lost it or has FAILED. Any number of
// coordinators may sweep at once.
func (s *Service) Sweep(ctx context.Context) {
	for wait.For(ctx, sweepPause) == nil {
		root := s.Cache.Snapshot().Root
		jobs := topology.Transfers(root)
		for _, id := range slices.Sorted(maps.Keys(jobs)) {
			if job := jobs[id]; !job.Finished() && !s.hasDispatcher(root, job) {
				s.endOrphaned(ctx, root, id, job)
			}
		}
		s.forget(ctx, jobs)
	}
}

// hasDispatcher says whether the coordinator that started a job lives, and still runs the job.
func (s *Service) hasDispatcher(root *agencyclient.Node, job keys.TransferJob) bool {
	if job.Coordinator == s.Coordinator && job.RebootID == s.RebootID() {
		return s.registered(job.Nonce)
	}
	return !topology.CoordinatorGone(root, job.Coordinator, job.RebootID)
}

// endOrphaned ends the parts of a job without a dispatcher whose servers do not have the
// configuration.
func (s *Service) endOrphaned(ctx context.Context, root *agencyclient.Node, id string, job keys.TransferJob) {
	for _, server := range slices.Sorted(maps.Keys(job.DBServers)) {
		e := job.DBServers[server]
		if e.Final() || e.RebootID != 0 && stillRuns(root, server, e.RebootID) {
			continue
		}
		err := s.end(ctx, part{job: id, server: server, kind: job.Kind, backup: job.BackupID, entry: e, cancelled: job.Cancelled}, apierror.New(failure(job.Kind),
			"neither %s nor a coordinator has the remote's configuration any more; start the transfer again: it continues where it stopped", server))
		if err != nil && ctx.Err() == nil && !errors.Is(err, agencyclient.ErrPrecondition) {
			s.Log.Warn("end a transfer that has no dispatcher", "job", id, "error", err)
		}
	}
}

// stillRuns says whether the process of a server with this reboot id lives, as far as the agency
// knows.
func stillRuns(root *agencyclient.Node, server string, rebootID uint64) bool {
	var known keys.Known
	err := root.At(keys.ServerKnown(server)).Decode(&known)
	return err == nil && known.RebootID == rebootID && !topology.Failed(root, server)
}

// forget deletes all but the newest of the transfers that are over.
func (s *Service) forget(ctx context.Context, jobs map[string]keys.TransferJob) {
	var over []uint64
	for id, job := range jobs {
		if n, err := strconv.ParseUint(id, 10, 64); err == nil && job.Finished() {
			over = append(over, n)
		}
	}
	slices.Sort(over)
	for _, n := range over[:max(0, len(over)-kept)] {
		id := strconv.FormatUint(n, 10)
		call, cancel := context.WithTimeout(ctx, s.Timeouts.Call)
		_, err := s.Agency.Write(call, agencyclient.Tx{
			Ops: map[string]any{keys.TransferJobKey(id): agencyclient.Delete()},
			Pre: map[string]any{keys.TransferJobKey(id) + "/Nonce": agencyclient.Old(jobs[id].Nonce)},
		})
		cancel()
		if err != nil && !errors.Is(err, agencyclient.ErrPrecondition) {
			return // the next sweep tries again
		}
	}
}
