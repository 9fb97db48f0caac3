package dbserver

import (
	"context"
	"fmt"
	"math"
	"time"

	"stasis/agency/keys"
	dbclient "stasis/dbserver/client"
	"stasis/dbserver/gate"
	"stasis/internal/apierror"
	"stasis/internal/failpoint"
)

// How long a cut may take.
const (
	maxCut     = 10 * time.Minute
	defaultCut = time.Second
)

// duration reads a number of seconds from a request.
func duration(what string, seconds float64, limit time.Duration) (time.Duration, error) {
	if math.IsNaN(seconds) || seconds <= 0 || seconds > limit.Seconds() {
		return 0, apierror.New(apierror.BadParameter, "%s of %g s: want more than 0 and at most %s", what, seconds, limit)
	}
	return time.Duration(seconds * float64(time.Second)), nil
}

func (s *Server) gateRelease(ctx context.Context, q dbclient.GateReleaseRequest) (dbclient.GateReleaseResponse, error) {
	r := s.release(ctx, q)
	return dbclient.GateReleaseResponse{
		Unbroken: r.Unbroken, HeldSeconds: r.Held.Seconds(),
		GrantedAt: stamp(r.GrantedAt), ReleasedAt: stamp(r.ReleasedAt),
		WritersWaited: r.Writers, DeadSumSeconds: r.DeadSum.Seconds(), DeadLongestSeconds: r.DeadLongest.Seconds(),
		Reason: r.Reason,
	}, nil
}

// release ends what the nonce holds. A nonce that has nothing here and does not hold the
// agency lock gets no gate either, so there is nothing to remember: it would take the place
// of the evidence of another. The same goes for one of which that cannot be told just now: its
// lock, if it comes yet, has no beats.
func (s *Server) release(ctx context.Context, q dbclient.GateReleaseRequest) gate.Report {
	if !s.gate.Knows(q.Nonce) && s.underLock(ctx, q.ID, q.Nonce, gatePatience) != nil && !failpoint.Off("strangers-are-not-remembered") {
		return gate.Unknown()
	}
	if q.Final && !failpoint.Off("release-is-final") {
		return s.gate.GiveUp(q.Nonce)
	}
	return s.gate.Release(q.Nonce, q.Attempt)
}

func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339Nano)
}

// prepare, and all that follows up to the commit, is done for the backup that holds the
// agency lock and for no other.
func (s *Server) prepare(ctx context.Context, d *data, q request[dbclient.PieceRequest]) (nothing, error) {
	if err := s.underLock(ctx, q.body.ID, q.body.Nonce, s.config.Timing.Agency); err != nil {
		return nothing{}, err
	}
	return nothing{}, s.pieces.Load().Attempts.Prepare(ctx, d.env.Engine, q.body.ID, q.body.Nonce)
}

// cut fixes the content of the piece. The gate must be held before and after, by
// this nonce: what lies between is then one hold without a break, as the release
// will prove.
func (s *Server) cut(ctx context.Context, d *data, q request[dbclient.CutRequest]) (dbclient.CutResponse, error) {
	deadline := defaultCut
	if q.body.DeadlineSeconds != 0 {
		var err error
		if deadline, err = duration("deadline", q.body.DeadlineSeconds, maxCut); err != nil {
			return dbclient.CutResponse{}, err
		}
	}
	if err := s.mayCut(ctx, q.body); err != nil {
		return dbclient.CutResponse{}, err
	}
	answer := d.stand() // before the cut: what is in a log now is in the cut
	limited, cancel := context.WithTimeout(ctx, deadline)
	defer cancel()
	took, err := s.pieces.Load().Attempts.Cut(limited, d.env.Engine, q.body.ID, q.body.Nonce)
	if err != nil {
		return dbclient.CutResponse{}, err
	}
	if err := s.holds(q.body); err != nil {
		return dbclient.CutResponse{}, fmt.Errorf("after the cut: %w", err)
	}
	answer.CutSeconds = took.Seconds()
	return answer, nil
}

// mayCut says why there is no cut: the gate is not held, which needs the agency lock, or a
// cut without the gate is not under that lock.
func (s *Server) mayCut(ctx context.Context, q dbclient.CutRequest) error {
	if q.Unprotected {
		return s.underLock(ctx, q.ID, q.Nonce, s.config.Timing.Agency)
	}
	return s.holds(q)
}

func (s *Server) holds(q dbclient.CutRequest) error {
	if q.Unprotected || failpoint.Off("cut-holds-gate") {
		return nil
	}
	return s.gate.Check(q.Nonce, q.Attempt)
}

func (s *Server) link(ctx context.Context, _ *data, q request[dbclient.LinkRequest]) (dbclient.Piece, error) {
	if err := s.underLock(ctx, q.body.ID, q.body.Nonce, s.config.Timing.Agency); err != nil {
		return dbclient.Piece{}, err
	}
	return s.pieces.Load().Attempts.Link(ctx, q.body)
}

func (s *Server) seal(ctx context.Context, q dbclient.SealRequest) (nothing, error) {
	if err := s.underLock(ctx, q.ID, q.Nonce, s.config.Timing.Agency); err != nil {
		return nothing{}, err
	}
	return nothing{}, s.pieces.Load().Attempts.Seal(ctx, q)
}

// publish goes by what the agency says, not by what its caller knew: the backup may
// have been deleted since.
func (s *Server) publish(ctx context.Context, q dbclient.PieceRequest) (nothing, error) {
	leave, err := s.naming.enter(ctx)
	if err != nil {
		return nothing{}, err
	}
	defer leave()
	lock, err := s.readLock(ctx)
	if err != nil {
		return nothing{}, err
	}
	if (q.Nonce == "" || lock.committed[q.ID] != q.Nonce) && !failpoint.Off("publish-if-committed") {
		return nothing{}, apierror.New(apierror.BackupConflict, "backup %s is not committed", q.ID)
	}
	return nothing{}, s.pieces.Load().Attempts.Publish(ctx, q.ID, q.Nonce)
}

// drop removes a pending piece, unless its backup is committed: a coordinator
// that does not know what became of its commit must not undo it.
func (s *Server) drop(ctx context.Context, q dbclient.PieceRequest) (nothing, error) {
	if q.Nonce == "" {
		return nothing{}, apierror.New(apierror.BadParameter, "drop names no nonce")
	}
	lock, err := s.readLock(ctx)
	if err != nil {
		return nothing{}, err
	}
	if lock.committed[q.ID] == q.Nonce && !failpoint.Off("drop-if-not-committed") {
		return nothing{}, apierror.New(apierror.BackupConflict, "backup %s is committed", q.ID)
	}
	return nothing{}, s.pieces.Load().Attempts.Drop(ctx, q.ID, q.Nonce)
}

func (s *Server) list(_ context.Context, q dbclient.ListRequest) (dbclient.ListResponse, error) {
	pieces, err := s.pieces.Load().Published.List(q)
	return dbclient.ListResponse{Server: s.id, Epoch: s.epoch.Load(), Pieces: pieces}, err
}

// transfer takes on this server's part of an upload or download. The job waits
// until this server has registered, since its reboot id goes into the agency.
func (s *Server) transfer(ctx context.Context, q dbclient.TransferRequest) (nothing, error) {
	if s.reboot.Load() == 0 {
		return nothing{}, errStarting
	}
	return nothing{}, s.moves.Load().Start(ctx, q)
}

func (s *Server) remote(ctx context.Context, q dbclient.RemoteRequest) (dbclient.RemoteResponse, error) {
	return s.moves.Load().Remote(ctx, q)
}

func (s *Server) verify(ctx context.Context, q dbclient.PieceRequest) (dbclient.VerifyResponse, error) {
	return s.pieces.Load().Published.Verify(ctx, q.ID)
}

// stage refuses an epoch that cannot follow, and a request that comes late: it must
// replace neither what another restore staged that has taken the lock since, nor
// what is committed, whether this server knows of the commit or not.
func (s *Server) stage(ctx context.Context, q dbclient.StageRequest) (nothing, error) {
	leave, err := s.staging.enter(ctx)
	if err != nil {
		return nothing{}, err
	}
	defer leave()
	lock, err := s.readLock(ctx)
	if err != nil {
		return nothing{}, err
	}
	if reached := max(lock.epoch, s.epoch.Load()); q.Epoch <= reached {
		return nothing{}, apierror.New(apierror.WrongEpoch, "cannot stage epoch %d: the cluster has reached epoch %d", q.Epoch, reached)
	}
	if lock.holder != q.Nonce && !failpoint.Off("stage-under-lock") {
		return nothing{}, apierror.New(apierror.BackupConflict, "restore of %s does not hold the agency lock", q.ID)
	}
	return nothing{}, s.pieces.Load().Restores.Stage(ctx, q)
}

// unstage removes what was staged, unless its restore is committed.
func (s *Server) unstage(ctx context.Context, q dbclient.UnstageRequest) (nothing, error) {
	leave, err := s.staging.enter(ctx)
	if err != nil {
		return nothing{}, err
	}
	defer leave()
	lock, err := s.readLock(ctx)
	if err != nil {
		return nothing{}, err
	}
	if lock.restore.Nonce == q.Nonce && lock.restore.Epoch == q.Epoch && !failpoint.Off("unstage-if-not-committed") {
		return nothing{}, apierror.New(apierror.BackupConflict, "the restore of epoch %d is committed", q.Epoch)
	}
	return nothing{}, s.pieces.Load().Restores.Unstage(ctx, q)
}

// lockState is what the agency says about backups and restores.
type lockState struct {
	holder    string            // nonce that holds the agency lock, "" if none
	committed map[string]string // backup id → nonce
	restore   keys.Restore      // the last one committed
	epoch     uint64
	deleted   []string // ids of backups whose piece here has to go
}

// readLock asks the agency itself, not the cache.
func (s *Server) readLock(ctx context.Context) (lockState, error) {
	ctx, cancel := context.WithTimeout(ctx, s.config.Timing.Agency)
	defer cancel()
	root, err := s.agency.Read(ctx, keys.HotBackup, keys.RestoreEpoch)
	if failpoint.Off("agency-not-cache") {
		root = s.cache.Snapshot().Root
	}
	if err != nil {
		return lockState{}, fmt.Errorf("read the agency lock: %w", err)
	}
	return lockStateIn(root, s.id)
}

func lockStateIn(root *node, server string) (lockState, error) {
	l := lockState{holder: root.At(keys.HotBackupNonce).Text(), committed: map[string]string{}, epoch: epochIn(root)}
	for id, commit := range root.At(keys.HotBackupCommits).Children() {
		l.committed[id] = commit.At("nonce").Text()
	}
	for id := range root.At(keys.HotBackupDeleted + "/" + server).Children() {
		l.deleted = append(l.deleted, id)
	}
	if restore := root.At(keys.HotBackupRestore); restore.Exists() {
		if err := restore.Decode(&l.restore); err != nil {
			return l, fmt.Errorf("read %s: %w", keys.HotBackupRestore, err)
		}
	}
	return l, nil
}
