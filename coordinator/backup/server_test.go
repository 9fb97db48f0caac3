package backup

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	agencyclient "stasis/agency/client"
	"stasis/agency/keys"
	"stasis/client"
	"stasis/coordinator/backup/operation"
	dbclient "stasis/dbserver/client"
	"stasis/dbserver/gate"
	"stasis/internal/apierror"
	"stasis/internal/version"
	"stasis/internal/wait"
)

// linkTime is long enough for the lease to be renewed and the watch to ask.
const linkTime = 6 * time.Second

// fakeServer is a DB server whose engine is one number. Its gate is the real one.
type fakeServer struct {
	id     string
	agency *fakeAgency
	faults *faults
	gate   *gate.Gate

	mu      sync.Mutex
	value   int
	epoch   uint64
	pending map[string]*fakePiece
	pieces  map[string]*fakePiece
	staged  map[uint64]dbclient.StageRequest
	quirks  quirks

	transactions map[dbclient.TxnID]*transaction // that have been opened at the gate
}

// quirks are what a test makes a server do wrong.
type quirks struct {
	deaf       bool            // accepts requests and never answers
	cutTime    []time.Duration // how long the next cuts take
	gate       func(*dbclient.GateReleaseResponse)
	cut        func(*dbclient.CutResponse)
	staged     func(dbclient.StageRequest)
	piece      func(*dbclient.Piece) // as linked
	slowSwap   time.Duration
	slowDelete time.Duration
	slowList   time.Duration
	behind     bool // answers, and has not seen that its pieces have to go
	resolves   bool // resolves pending pieces by the agency, as the real one does
	damaged    bool // verify finds something
	linkFails  error
	labor      map[string]time.Duration // how long requests take in which something gets done every second
	stalls     map[string]bool          // requests that are taken, and then nothing gets done
}

type fakePiece struct {
	meta  dbclient.Piece
	nonce string
	cut   bool
	value int
	dump  json.RawMessage
	cert  json.RawMessage
}

func newFakeServer(id string, a *fakeAgency, f *faults) *fakeServer {
	return &fakeServer{id: id, agency: a, faults: f, gate: gate.New(nil),
		pending: map[string]*fakePiece{}, pieces: map[string]*fakePiece{}, staged: map[uint64]dbclient.StageRequest{}}
}

func (s *fakeServer) quirk(set func(*quirks)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	set(&s.quirks)
}

func (s *fakeServer) isDeaf() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.quirks.deaf
}

// write passes the gate and sets the number.
func (s *fakeServer) write(ctx context.Context, value int) error {
	leave, err := s.gate.Enter(ctx)
	if err != nil {
		return err
	}
	defer leave()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.value = value
	return nil
}

func (s *fakeServer) pieceIDs() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Concat(slices.Collect(maps.Keys(s.pending)), slices.Collect(maps.Keys(s.pieces)))
}

func (s *fakeServer) stagedEpochs() []uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Collect(maps.Keys(s.staged))
}

func (s *fakeServer) now() (value int, epoch uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.value, s.epoch
}

func (s *fakeServer) lock(r dbclient.GateLockRequest) (*gate.Lock, error) {
	if operation.Duration(r.WindowSeconds) > dbclient.MaxGateWindow || operation.Duration(r.LeaseSeconds) > dbclient.MaxGateLease {
		return nil, apierror.New(apierror.BadParameter, "window %g, lease %g", r.WindowSeconds, r.LeaseSeconds)
	}
	return s.gate.Lock(gate.Claim{
		ID: r.ID, Mode: gate.Mode(r.LockMode), Nonce: r.Nonce, Attempt: r.Attempt, Window: operation.Duration(r.WindowSeconds), Lease: operation.Duration(r.LeaseSeconds), Silence: dbclient.GateSilence,
	})
}

func (s *fakeServer) release(r dbclient.GateReleaseRequest) dbclient.GateReleaseResponse {
	var report gate.Report
	if r.Final {
		report = s.gate.GiveUp(r.Nonce)
	} else {
		report = s.gate.Release(r.Nonce, r.Attempt)
	}
	answer := dbclient.GateReleaseResponse{
		Unbroken: report.Unbroken, HeldSeconds: report.Held.Seconds(), WritersWaited: report.Writers,
		DeadSumSeconds: report.DeadSum.Seconds(), DeadLongestSeconds: report.DeadLongest.Seconds(), DeadP99Seconds: report.DeadP99.Seconds(),
		Reason: report.Reason, Attempt: report.Attempt,
		LockMode: client.LockMode(report.Mode),
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.quirks.gate != nil {
		s.quirks.gate(&answer)
	}
	return answer
}

func (s *fakeServer) prepare(epoch uint64, r dbclient.PieceRequest) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if epoch != s.epoch {
		return apierror.New(apierror.WrongEpoch, "epoch %d here", s.epoch)
	}
	if s.pieces[r.ID] != nil || s.pending[r.ID] != nil && s.pending[r.ID].nonce != r.Nonce {
		return apierror.New(apierror.BackupConflict, "backup %s has a piece here already", r.ID)
	}
	if s.pending[r.ID] == nil {
		s.pending[r.ID] = &fakePiece{nonce: r.Nonce}
	}
	return nil
}

// mine is the pending piece of this attempt.
func (s *fakeServer) mine(id, nonce string) (*fakePiece, error) {
	p := s.pending[id]
	if p == nil || p.nonce != nonce {
		return nil, apierror.New(apierror.FileNotFound, "no pending piece of backup %s", id)
	}
	return p, nil
}

func (s *fakeServer) nextCutTime() (d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.quirks.cutTime) > 0 {
		d, s.quirks.cutTime = s.quirks.cutTime[0], s.quirks.cutTime[1:]
	}
	return d
}

func (s *fakeServer) cut(ctx context.Context, r dbclient.CutRequest) (dbclient.CutResponse, error) {
	if !r.Unprotected {
		if err := s.gate.Check(r.Nonce, r.Attempt); err != nil {
			return dbclient.CutResponse{}, err
		}
	}
	took, deadline := s.nextCutTime(), operation.Duration(r.DeadlineSeconds)
	if err := wait.For(ctx, min(took, deadline)); err != nil {
		return dbclient.CutResponse{}, err
	}
	if took > deadline {
		return dbclient.CutResponse{}, apierror.New(apierror.CutMissed, "the cut took longer than %v", deadline)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	p, err := s.mine(r.ID, r.Nonce)
	if err != nil {
		return dbclient.CutResponse{}, err
	}
	if p.cut {
		return dbclient.CutResponse{}, apierror.New(apierror.BackupConflict, "backup %s has its cut already", r.ID)
	}
	p.cut, p.value = true, s.value
	answer := dbclient.CutResponse{CutSeconds: took.Seconds(), Logs: map[string]uint64{}}
	s.stand(&answer)
	if s.quirks.cut != nil {
		s.quirks.cut(&answer)
	}
	return answer, nil
}

// position is where all logs end: the shards' only record is the number.
var position = dbclient.Position{Tenure: dbclient.Tenure{Term: 1, Reboot: 1}, Seq: 1}

// stand states what a server does about the shards that Plan has it lead, and where its
// other replicas stand.
func (s *fakeServer) stand(answer *dbclient.CutResponse) {
	for name, servers := range s.shards() {
		term, _ := s.agency.root().At(keys.PlanTerm("_system", "100", name)).Int()
		switch {
		case servers[0] == s.id:
			answer.Statements = append(answer.Statements, dbclient.ShardStatement{
				Shard: name, Term: uint64(term), Last: position, InSync: servers,
			})
		case slices.Contains(servers, s.id):
			answer.Logs[name] = position.Seq
		}
	}
}

// shards are those of the one collection.
func (s *fakeServer) shards() map[string][]string {
	all := map[string][]string{}
	for name, n := range s.agency.root().At(keys.PlanCollection("_system", "100") + "/shards").Children() {
		var servers []string
		if err := n.Decode(&servers); err != nil {
			panic(err)
		}
		all[name] = servers
	}
	return all
}

// work is the long work of a request, as its progress shows it.
func (s *fakeServer) work(ctx context.Context, kind string) error {
	s.mu.Lock()
	labor, stalls := s.quirks.labor[kind], s.quirks.stalls[kind]
	s.mu.Unlock()
	at := dbclient.Progress{Doing: "does what " + kind + " asks for"}
	for begun := time.Now(); stalls || time.Since(begun) < labor; {
		if err := wait.For(ctx, dbclient.ProgressEvery); err != nil {
			return err
		}
		if !stalls {
			at.Done++
		}
		if !s.isDeaf() {
			dbclient.TellProgress(ctx, at)
		}
	}
	return nil
}

func sum(data []byte) string {
	h := sha256.Sum256(data)
	return hex.EncodeToString(h[:])
}

func (s *fakeServer) link(ctx context.Context, r dbclient.LinkRequest) (dbclient.Piece, error) {
	if err := wait.For(ctx, linkTime); err != nil {
		return dbclient.Piece{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	p, err := s.mine(r.ID, r.Nonce)
	if err == nil {
		err = s.quirks.linkFails
	}
	if err != nil {
		return dbclient.Piece{}, err
	}
	p.dump = r.AgencyDump
	p.meta = dbclient.Piece{
		ID: r.ID, Version: version.API, DateTime: r.DateTime, Label: r.Label, Kind: dbclient.PieceHot, ServerID: s.id,
		Nonce: r.Nonce, Epoch: s.epoch, SizeInBytes: 100, NrFiles: 2, NrDBServers: r.NrDBServers, CountIncludesFilesOnly: true,
		PotentiallyInconsistent: r.PotentiallyInconsistent, LockMode: r.LockMode, AgencyDumpSHA256: sum(r.AgencyDump),
		ManifestSHA256: sum(fmt.Append(nil, s.id, p.value)), Replicas: map[string]dbclient.PieceReplica{},
	}
	for name, servers := range s.shards() {
		if slices.Contains(servers, s.id) {
			p.meta.Replicas[name] = dbclient.PieceReplica{Last: position, Committed: position.Seq, At: &position.Tenure}
		}
	}
	if s.quirks.piece != nil {
		s.quirks.piece(&p.meta)
	}
	return p.meta, nil
}

func (s *fakeServer) seal(r dbclient.SealRequest) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	p, err := s.mine(r.ID, r.Nonce)
	if err == nil {
		p.cert = r.Certificate
	}
	return err
}

func (s *fakeServer) publish(r dbclient.PieceRequest) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if p := s.pieces[r.ID]; p != nil && p.nonce == r.Nonce {
		return nil
	}
	p, err := s.mine(r.ID, r.Nonce)
	if err == nil {
		delete(s.pending, r.ID)
		s.pieces[r.ID] = p
	}
	return err
}

func (s *fakeServer) drop(r dbclient.PieceRequest) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, err := s.mine(r.ID, r.Nonce); err == nil {
		delete(s.pending, r.ID)
	}
	return nil
}

func (s *fakeServer) list(r dbclient.ListRequest) dbclient.ListResponse {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := dbclient.ListResponse{Server: s.id, Epoch: s.epoch}
	for id, p := range s.pieces {
		if len(r.IDs) > 0 && !slices.Contains(r.IDs, id) {
			continue
		}
		detail := dbclient.PieceDetail{Piece: p.meta}
		if r.WithDetails {
			detail.Certificate, detail.AgencyDump = p.cert, &dbclient.AgencyDump{}
			if err := json.Unmarshal(p.dump, detail.AgencyDump); err != nil {
				panic(err)
			}
		}
		out.Pieces = append(out.Pieces, detail)
	}
	return out
}

func (s *fakeServer) remove(r dbclient.PieceRequest) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.agency.root().At(keys.HotBackupDeletion(s.id, r.ID)).Exists():
		s.removeFor(r.ID)
	case s.pieces[r.ID] == nil:
		return apierror.New(apierror.FileNotFound, "no piece of %s", r.ID)
	default:
		return apierror.New(apierror.BackupConflict, "%s is not deleted", r.ID)
	}
	return nil
}

// removeFor removes a piece because the agency says so, and tells it.
func (s *fakeServer) removeFor(id string) {
	delete(s.pieces, id)
	if _, err := s.agency.apply(agencyclient.Tx{Ops: map[string]any{keys.HotBackupDeletion(s.id, id): agencyclient.Delete()}}); err != nil {
		panic(err)
	}
}

func (s *fakeServer) verify(r dbclient.PieceRequest) (dbclient.VerifyResponse, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.pieces[r.ID]
	if p == nil {
		return dbclient.VerifyResponse{}, apierror.New(apierror.FileNotFound, "no piece of %s", r.ID)
	}
	v := dbclient.VerifyResponse{Piece: p.meta, Certificate: p.cert, Files: 2, Bytes: 100}
	if s.quirks.damaged {
		v.Problems = []string{"000007.sst: has another hash"}
	}
	return v, nil
}

func (s *fakeServer) stage(ctx context.Context, r dbclient.StageRequest) error {
	if err := wait.For(ctx, linkTime); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if p := s.pieces[r.ID]; !r.Empty && (p == nil || p.meta.ServerID != r.Source) {
		return apierror.New(apierror.FileNotFound, "no piece of %s from %s", r.ID, r.Source)
	}
	s.staged[r.Epoch] = r
	if s.quirks.staged != nil {
		s.quirks.staged(r)
	}
	return nil
}

func (s *fakeServer) unstage(r dbclient.UnstageRequest) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if staged, ok := s.staged[r.Epoch]; ok && staged.Nonce == r.Nonce {
		delete(s.staged, r.Epoch)
	}
	return nil
}
