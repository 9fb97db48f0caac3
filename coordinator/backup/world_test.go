package backup

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	agencyclient "stasis/agency/client"
	"stasis/agency/keys"
	"stasis/coordinator/backup/transfer"
	dbclient "stasis/dbserver/client"
	"stasis/dbserver/gate"
	"stasis/event"
	"stasis/fsm"
	"stasis/internal/apierror"
	"stasis/internal/bubbles"
	"stasis/internal/wait"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// world is a cluster small enough for one bubble: a real state machine as the
// agency, and DB servers with real gates whose engine is one number.
type world struct {
	t       testing.TB
	agency  *fakeAgency
	servers map[string]*fakeServer
	faults  *faults
	stop    context.CancelFunc
	group   sync.WaitGroup
}

const (
	coordinatorA = "CRDN-a"
	coordinatorB = "CRDN-b"
)

var threeServers = []string{"PRMR-1", "PRMR-2", "PRMR-3"}

// inWorld runs a test in a bubble with a cluster of these DB servers, which has
// one database with one collection of one shard per server.
func inWorld(t *testing.T, ids []string, test func(w *world)) {
	t.Helper()
	bubbles.Test(t, func(t *testing.T) {
		w := &world{t: t, servers: map[string]*fakeServer{}, faults: &faults{failAt: -1}}
		w.agency = newFakeAgency(w.faults)
		w.bootstrap(ids)
		ctx, stop := context.WithCancel(context.Background())
		w.stop = stop
		for _, s := range w.servers {
			w.group.Go(func() { s.follow(ctx) })
		}
		defer func() { stop(); w.group.Wait() }()
		test(w)
	})
}

func (w *world) bootstrap(ids []string) {
	known, registered, planned, shards, terms := map[string]any{}, map[string]any{}, map[string]any{}, map[string]any{}, map[string]any{}
	for i, id := range ids {
		w.servers[id] = newFakeServer(id, w.agency, w.faults)
		known[id] = keys.Known{RebootID: 1}
		registered[id] = keys.Registered{Endpoint: "tcp://" + id + ":1"}
		planned[id] = "none"
		shards[keys.ShardName(uint64(i+1))] = []string{id}
		terms[keys.ShardName(uint64(i+1))] = 1
	}
	coordinators := map[string]any{}
	for _, id := range []string{coordinatorA, coordinatorB} {
		known[id] = keys.Known{RebootID: 1}
		registered[id] = keys.Registered{Endpoint: "tcp://" + id + ":1"}
		coordinators[id] = "none"
	}
	w.agency.must(w.t, agencyclient.Tx{Ops: map[string]any{
		keys.Cluster: "cluster-uuid", keys.LatestID: 1000, keys.RestoreEpoch: 0,
		keys.Plan: map[string]any{
			"Version": 7, "DBServers": planned, "Coordinators": coordinators,
			"Databases":   map[string]any{"_system": keys.Database{ID: "1", Name: "_system"}},
			"Collections": map[string]any{"_system": map[string]any{"100": map[string]any{"id": "100", "name": "PRMR-1", "shards": shards, "shardTerms": terms}}},
			"Views":       map[string]any{}, "Analyzers": map[string]any{},
		},
		keys.Current: map[string]any{"Version": 3, "ServersKnown": known, "ServersRegistered": registered,
			"Databases": map[string]any{}, "Collections": map[string]any{}},
	}})
	for _, s := range w.servers {
		s.report(context.Background())
	}
}

// service is a coordinator's service on this world.
func (w *world) service(id string, options ...func(*Options)) *Service {
	d := Options{Agency: w.agency, Cache: w.agency, Servers: serversOf{w}, ID: id, RebootID: func() uint64 { return 1 }}
	for _, o := range options {
		o(&d)
	}
	return New(d)
}

func withSteps(s event.Sink) func(*Options) { return func(d *Options) { d.Steps = s } }

func withMovers(m transfer.Movers) func(*Options) { return func(d *Options) { d.Movers = m } }

// requireClean demands that nothing of any operation is left: no lock and so no
// freeze, no backup, no piece in any state, nothing staged, every gate open.
func (w *world) requireClean(note string) {
	w.t.Helper()
	root := w.agency.root()
	require.False(w.t, root.At(keys.HotBackupCreate).Exists(), "%s: the agency lock is left", note)
	require.False(w.t, root.At(keys.HotBackupHolder).Exists(), "%s: the holder is left", note)
	require.Zero(w.t, root.At(keys.HotBackupCommits).Len(), "%s: a backup is committed", note)
	for id, s := range w.servers {
		require.Empty(w.t, s.pieceIDs(), "%s: %s has pieces", note, id)
		require.Empty(w.t, s.stagedEpochs(), "%s: %s has staged engines", note, id)
	}
	w.requireOpen(note)
}

func (w *world) requireOpen(note string) {
	w.t.Helper()
	for id, s := range w.servers {
		ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
		leave, err := s.gate.Enter(ctx)
		cancel()
		require.NoError(w.t, err, "%s: the gate of %s is closed", note, id)
		leave()
	}
}

// requireBackup demands one complete, committed and published backup.
func (w *world) requireBackup(note, id string) {
	w.t.Helper()
	root := w.agency.root()
	require.False(w.t, root.At(keys.HotBackupCreate).Exists(), "%s: the agency lock is left", note)
	require.True(w.t, root.At(keys.HotBackupCommit(id)).Exists(), "%s: not committed", note)
	list, err := w.service(coordinatorB).List(context.Background(), ListRequest{})
	require.NoError(w.t, err, note)
	require.Equal(w.t, []string{id}, slices.Collect(maps.Keys(list.List)), note)
	require.True(w.t, list.List[id].Available, "%s: %+v", note, list.List[id])
	verified, err := w.service(coordinatorB).Verify(context.Background(), id)
	require.NoError(w.t, err, note)
	require.Empty(w.t, verified.Problems, note)
	w.requireOpen(note)
}

// create makes a backup that must succeed.
func (w *world) create(label string) CreateResult {
	w.t.Helper()
	r, err := w.service(coordinatorA).Create(context.Background(), CreateRequest{Label: label})
	require.NoError(w.t, err)
	return r
}

// mode is what happens to a call that fails.
type mode int

const (
	refused  mode = iota // it was not done, and the caller can know it
	lost                 // it was done, and the answer is lost
	vanished             // it was not done, and the caller cannot know that
)

func (m mode) String() string { return [...]string{"refused", "lost", "vanished"}[m] }

// faults makes one call of all fail.
type faults struct {
	mu     sync.Mutex
	calls  []string
	failAt int    // index of the call; -1: none
	next   string // the next call of this name fails, too
	mode   mode
	fired  string
	broken func(call string) bool // calls for which it says so fail always, refused
}

// around does a call, or fails it. injected is the error of a fault.
func (f *faults) around(call string, injected func(mode) error, do func() error) error {
	f.mu.Lock()
	n := len(f.calls)
	f.calls = append(f.calls, call)
	fires := n == f.failAt || call == f.next
	if fires {
		f.fired, f.next = call, ""
	}
	broken := f.broken != nil && f.broken(call)
	f.mu.Unlock()
	switch {
	case broken:
		return injected(refused)
	case !fires:
		return do()
	case f.mode == lost:
		if err := do(); err != nil {
			return err
		}
	}
	return injected(f.mode)
}

func (f *faults) breakCalls(broken func(call string) bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.broken = broken
}

// over says how many calls there were and which one failed, and lets none fail any more.
func (f *faults) over() (calls int, fired string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.failAt = -1
	return len(f.calls), f.fired
}

func (f *faults) count(call string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(slices.DeleteFunc(slices.Clone(f.calls), func(c string) bool { return c != call }))
}

// fakeAgency is the state machine behind the interfaces Agency and Cache.
type fakeAgency struct {
	faults *faults

	mu      sync.Mutex
	machine *fsm.Machine
	changed chan struct{}
	clients int
	term    uint64
}

func newFakeAgency(f *faults) *fakeAgency {
	return &fakeAgency{faults: f, machine: fsm.New(1000), changed: make(chan struct{}), term: 5}
}

func (a *fakeAgency) root() *fsm.Node { return a.machine.State().Root() }

func agencyFault(m mode) error {
	if m == refused {
		return fmt.Errorf("injected: %w", agencyclient.ErrUnavailable)
	}
	return fmt.Errorf("injected: %w", agencyclient.ErrUnknown)
}

func (a *fakeAgency) apply(tx agencyclient.Tx) (uint64, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.clients++
	raw, err := tx.Encode(fmt.Sprintf("client-%d", a.clients))
	if err != nil {
		return 0, err
	}
	t, err := fsm.ParseTransaction(raw)
	if err != nil {
		return 0, err
	}
	out := a.machine.Apply(a.term, fsm.Command{Time: time.Now().UnixMilli(), Transactions: []fsm.Transaction{t}})[0]
	if out.Index == 0 {
		return 0, fmt.Errorf("%w: %v %v", agencyclient.ErrPrecondition, out.Failed, out.Reason)
	}
	close(a.changed)
	a.changed = make(chan struct{})
	return out.Index, nil
}

func (a *fakeAgency) must(t testing.TB, tx agencyclient.Tx) {
	t.Helper()
	_, err := a.apply(tx)
	require.NoError(t, err)
}

func (a *fakeAgency) Write(ctx context.Context, tx agencyclient.Tx) (index uint64, err error) {
	if err := wait.For(ctx, time.Millisecond); err != nil {
		return 0, fmt.Errorf("%w: %w", agencyclient.ErrUnavailable, err)
	}
	err = a.faults.around("agency write", agencyFault, func() error {
		index, err = a.apply(tx)
		return err
	})
	return index, err
}

func (a *fakeAgency) Read(ctx context.Context, paths ...string) (root *agencyclient.Node, err error) {
	if err := wait.For(ctx, time.Millisecond); err != nil {
		return nil, fmt.Errorf("%w: %w", agencyclient.ErrUnavailable, err)
	}
	err = a.faults.around("agency read", func(mode) error { return agencyFault(refused) }, func() error {
		root = a.machine.State().Read(paths)
		return nil
	})
	return root, err
}

func (a *fakeAgency) Config(ctx context.Context) (c agencyclient.Config, err error) {
	err = a.faults.around("agency config", func(mode) error { return agencyFault(refused) }, func() error {
		c.Term = a.term
		return nil
	})
	return c, err
}

func (a *fakeAgency) Snapshot() agencyclient.Snapshot {
	s := a.machine.State()
	return agencyclient.Snapshot{Index: s.Index(), Root: s.Root()}
}

func (a *fakeAgency) Sync(ctx context.Context) (s agencyclient.Snapshot, err error) {
	err = a.faults.around("cache sync", func(mode) error { return agencyFault(refused) }, func() error {
		s = a.Snapshot()
		return nil
	})
	return s, err
}

func (a *fakeAgency) Wait(ctx context.Context, ok func(agencyclient.Snapshot) bool) (agencyclient.Snapshot, error) {
	for {
		a.mu.Lock()
		changed := a.changed
		a.mu.Unlock()
		if s := a.Snapshot(); ok(s) {
			return s, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return agencyclient.Snapshot{}, context.Cause(ctx)
		}
	}
}

// serversOf sends each request to the server that its URL names, over a wire that
// takes a millisecond each way and may fail.
type serversOf struct{ *world }

func (w *world) serverAt(t dbclient.Target) *fakeServer {
	return w.servers[t.URL[len("http://"):len(t.URL)-len(":1")]]
}

func overWire[A any](ctx context.Context, w *world, t dbclient.Target, call string, do func(s *fakeServer) (A, error)) (answer A, err error) {
	s := w.serverAt(t)
	if s == nil {
		return answer, connectionLost(fmt.Errorf("no such host %s", t.URL))
	}
	if err := wait.For(ctx, time.Millisecond); err != nil {
		return answer, connectionLost(err)
	}
	for s.isDeaf() { // TCP sends again
		if err := wait.For(ctx, 10*time.Millisecond); err != nil {
			return answer, connectionLost(err)
		}
	}
	err = w.faults.around(call+" "+s.id, func(mode) error { return connectionLost(fmt.Errorf("injected")) }, func() error {
		answer, err = do(s)
		return err
	})
	if werr := wait.For(ctx, time.Millisecond); err == nil && werr != nil {
		return answer, connectionLost(werr)
	}
	return answer, err
}

func connectionLost(cause error) error {
	return &apierror.Error{Num: apierror.ConnectionLost, Message: cause.Error(), Cause: cause}
}

func none(err error) (struct{}, error) { return struct{}{}, err }

// GateLock is what the client and a DB server do: beats, and their answers, over a wire
// that may be deaf.
func (w serversOf) GateLock(ctx context.Context, t dbclient.Target, r dbclient.GateLockRequest, granted func(dbclient.GateLockResponse)) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	heard := time.AfterFunc(dbclient.GateSilence, func() { cancel(connectionLost(dbclient.ErrSilent)) })
	defer heard.Stop()
	s := w.serverAt(t)
	lock, err := overWire(ctx, w.world, t, "lock", func(s *fakeServer) (*gate.Lock, error) { return s.lock(r) })
	defer func() {
		if lock != nil && !s.isDeaf() {
			lock.Break("its request ended")
		}
	}()
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	if err != nil {
		return err
	}
	beat := time.NewTicker(dbclient.GateBeat)
	defer beat.Stop()
	for grant := lock.Granted(); ; {
		select {
		case <-beat.C:
			if !s.isDeaf() {
				lock.Beat()
				heard.Reset(dbclient.GateSilence)
			}
		case <-grant:
			if grant = nil; !s.isDeaf() {
				granted(dbclient.GateLockResponse{WaitedSeconds: lock.Waited().Seconds()})
			}
		case <-lock.Ended():
			if !s.isDeaf() {
				return lock.Err()
			}
			<-ctx.Done()
			return context.Cause(ctx)
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

func (w serversOf) AbortOpen(ctx context.Context, t dbclient.Target, r dbclient.TxnAbortRequest) (dbclient.TxnAbortResponse, error) {
	return overWire(ctx, w.world, t, "abort", func(s *fakeServer) (dbclient.TxnAbortResponse, error) { return s.abortOpen(r) })
}

func (w serversOf) GateRelease(ctx context.Context, t dbclient.Target, r dbclient.GateReleaseRequest) (dbclient.GateReleaseResponse, error) {
	return overWire(ctx, w.world, t, "release", func(s *fakeServer) (dbclient.GateReleaseResponse, error) { return s.release(r), nil })
}

func (w serversOf) Prepare(ctx context.Context, t dbclient.Target, r dbclient.PieceRequest) error {
	_, err := overWire(ctx, w.world, t, "prepare", func(s *fakeServer) (struct{}, error) {
		if err := s.work(ctx, "prepare"); err != nil {
			return struct{}{}, connectionLost(err)
		}
		return none(s.prepare(t.Epoch, r))
	})
	return err
}

func (w serversOf) Cut(ctx context.Context, t dbclient.Target, r dbclient.CutRequest) (dbclient.CutResponse, error) {
	return overWire(ctx, w.world, t, "cut", func(s *fakeServer) (dbclient.CutResponse, error) { return s.cut(ctx, r) })
}

func (w serversOf) Link(ctx context.Context, t dbclient.Target, r dbclient.LinkRequest) (dbclient.Piece, error) {
	return overWire(ctx, w.world, t, "link", func(s *fakeServer) (dbclient.Piece, error) {
		if err := s.work(ctx, "link"); err != nil {
			return dbclient.Piece{}, connectionLost(err)
		}
		return s.link(ctx, r)
	})
}

func (w serversOf) Seal(ctx context.Context, t dbclient.Target, r dbclient.SealRequest) error {
	_, err := overWire(ctx, w.world, t, "seal", func(s *fakeServer) (struct{}, error) { return none(s.seal(r)) })
	return err
}

func (w serversOf) Publish(ctx context.Context, t dbclient.Target, r dbclient.PieceRequest) error {
	_, err := overWire(ctx, w.world, t, "publish", func(s *fakeServer) (struct{}, error) { return none(s.publish(r)) })
	return err
}

func (w serversOf) Drop(ctx context.Context, t dbclient.Target, r dbclient.PieceRequest) error {
	_, err := overWire(ctx, w.world, t, "drop", func(s *fakeServer) (struct{}, error) { return none(s.drop(r)) })
	return err
}

func (w serversOf) List(ctx context.Context, t dbclient.Target, r dbclient.ListRequest) (dbclient.ListResponse, error) {
	return overWire(ctx, w.world, t, "list", func(s *fakeServer) (dbclient.ListResponse, error) {
		s.mu.Lock()
		slow := s.quirks.slowList
		s.mu.Unlock()
		_ = wait.For(ctx, slow)
		return s.list(r), nil
	})
}

func (w serversOf) Delete(ctx context.Context, t dbclient.Target, r dbclient.PieceRequest) error {
	_, err := overWire(ctx, w.world, t, "delete", func(s *fakeServer) (struct{}, error) {
		s.mu.Lock()
		slow := s.quirks.slowDelete
		s.mu.Unlock()
		_ = wait.For(ctx, slow)
		return none(s.remove(r))
	})
	return err
}

func (w serversOf) Verify(ctx context.Context, t dbclient.Target, r dbclient.PieceRequest) (dbclient.VerifyResponse, error) {
	return overWire(ctx, w.world, t, "verify", func(s *fakeServer) (dbclient.VerifyResponse, error) { return s.verify(r) })
}

func (w serversOf) Stage(ctx context.Context, t dbclient.Target, r dbclient.StageRequest) error {
	_, err := overWire(ctx, w.world, t, "stage", func(s *fakeServer) (struct{}, error) {
		if err := s.work(ctx, "stage"); err != nil {
			return struct{}{}, connectionLost(err)
		}
		return none(s.stage(ctx, r))
	})
	return err
}

func (w serversOf) Unstage(ctx context.Context, t dbclient.Target, r dbclient.UnstageRequest) error {
	_, err := overWire(ctx, w.world, t, "unstage", func(s *fakeServer) (struct{}, error) { return none(s.unstage(r)) })
	return err
}
