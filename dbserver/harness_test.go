package dbserver

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/hashicorp/go-hclog"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"stasis/agency"
	agencyclient "stasis/agency/client"
	"stasis/agency/keys"
	dbclient "stasis/dbserver/client"
	"stasis/dbserver/engine"
	"stasis/dbserver/reconcile"
	"stasis/event"
	"stasis/fault"
	"stasis/internal/apierror"
	"stasis/internal/bubbles"
	"stasis/internal/network"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// house is an agency of one and its DB servers, in a bubble. What the tests do
// with the agency is what coordinators do.
type house struct {
	t      *testing.T
	net    *fault.Network
	agent  *agency.Agent
	web    *http.Client
	agency *agencyclient.Client
	dbs    *dbclient.Client
	fs     map[string]vfs.FS
	disks  []*frozen
	up     map[string]*Server
	steps  event.Sink
	clock  Clock // of servers that are started from now on

	trxs     int
	fixed    bool              // shards stay where they are, and goroutines may ask where
	attempts map[string]uint64 // nonce → how often its gate was asked for
	holds    sync.WaitGroup
	letGo    []context.CancelFunc
}

// inBubble runs a test in a house without DB servers, and closes what is up at
// its end: a goroutine that is left over fails the test.
func inBubble(t *testing.T, test func(*testing.T, *house)) {
	t.Helper()
	bubbles.Test(t, func(t *testing.T) {
		h := &house{t: t, net: fault.NewNetwork(), fs: map[string]vfs.FS{}, up: map[string]*Server{}}
		var err error
		h.agent, err = agency.Start(t.Context(), agency.Config{
			Listen: "agent:1", Network: h.net.Host("agent"), Dir: "agent", FS: vfs.NewMem(), Logger: h.logger("agent", hclog.Warn),
		})
		require.NoError(t, err)
		h.web = network.NewHTTPClient(h.net.Host("coordinator"))
		h.agency = agencyclient.New(agencyclient.Options{Endpoints: []string{"http://agent:1"}, HTTP: h.web})
		h.dbs = dbclient.New(h.web)
		defer h.end()
		test(t, h)
	})
}

func (h *house) logger(name string, level hclog.Level) hclog.Logger {
	return hclog.New(&hclog.LoggerOptions{Name: name, Output: h.t.Output(), Level: level})
}

func (h *house) end() {
	for _, d := range h.disks {
		d.thaw()
	}
	for _, letGo := range h.letGo {
		letGo()
	}
	h.holds.Wait()
	for name := range h.up {
		h.stop(name)
	}
	h.web.CloseIdleConnections()
	if err := h.agent.Close(context.Background()); err != nil {
		h.t.Errorf("close agent: %v", err)
	}
	if err := h.net.Close(); err != nil {
		h.t.Errorf("close network: %v", err)
	}
}

// start starts the DB server called name, on the disk it had before.
func (h *house) start(name string) *Server {
	h.t.Helper()
	s, err := h.tryStart(name)
	require.NoError(h.t, err)
	h.await("its shards are served", func() bool { return s.serves() })
	return s
}

// serves says whether this server serves all shards that it is to lead.
func (s *Server) serves() bool {
	places, err := reconcile.Places(s.cluster.cache.Snapshot().Root, s.id)
	if err != nil {
		return false
	}
	_, d, leave, err := s.access.Enter(context.Background())
	if err != nil {
		return false
	}
	defer leave()
	for _, p := range places {
		if _, err := d.Led(p.Shard); p.Leader() == s.id && err != nil {
			return false
		}
	}
	return true
}

// await waits until something is so.
func (h *house) await(what string, ok func() bool) {
	h.t.Helper()
	for range 600 {
		if ok() {
			return
		}
		h.pause()
	}
	require.Fail(h.t, "never came true", what)
}

// pause is the time between two looks; it ends with the test.
func (h *house) pause() {
	select {
	case <-time.After(100 * time.Millisecond):
	case <-h.t.Context().Done():
	}
}

func (h *house) tryStart(name string) (*Server, error) {
	if h.fs[name] == nil {
		h.fs[name] = vfs.NewCrashableMem()
	}
	ctx, cancel := context.WithTimeout(h.t.Context(), time.Minute)
	defer cancel()
	s, err := Start(ctx, Config{
		Dir: "data", FS: h.fs[name], Listen: name + ":1", Agency: []string{"http://agent:1"}, Network: h.net.Host(name),
		Engine: engine.Options{CacheBytes: 1 << 20, MemTableBytes: 1 << 20},
		Logger: h.logger(name, hclog.Info), Steps: h.steps, Clock: h.clock,
	})
	if err == nil {
		h.up[name] = s
	}
	return s, err
}

func (h *house) stop(name string) {
	h.t.Helper()
	if err := h.up[name].Close(context.Background()); err != nil {
		h.t.Errorf("close %s: %v", name, err)
	}
	delete(h.up, name)
}

// crash stops a server and gives its disk the state that a power cut leaves.
func (h *house) crash(name string) {
	h.t.Helper()
	after := h.fs[name].(*vfs.MemFS).CrashClone(vfs.CrashCloneCfg{})
	h.stop(name)
	h.fs[name] = after
}

// write changes the agency's tree.
func (h *house) write(ops, pre map[string]any) {
	h.t.Helper()
	_, err := h.agency.Write(h.t.Context(), agencyclient.Tx{Ops: ops, Pre: pre})
	require.NoError(h.t, err)
}

func (h *house) read(path string) *agencyclient.Node {
	h.t.Helper()
	root, err := h.agency.Read(h.t.Context(), path)
	require.NoError(h.t, err)
	return root.At(path)
}

// eventually waits until the agency's tree is as ok wants it.
func (h *house) eventually(path string, ok func(*agencyclient.Node) bool) {
	h.t.Helper()
	for range 200 {
		if ok(h.read(path)) {
			return
		}
		h.pause()
	}
	raw, err := json.Marshal(h.read(path))
	require.Fail(h.t, "never came true", "%s: %s %v", path, raw, err)
}

// collection puts a collection of one shard into Plan and waits until its leader
// reports it.
func (h *house) collection(cid, shard string, leader *Server) {
	h.t.Helper()
	h.write(map[string]any{
		keys.PlanCollection("_system", cid): keys.Collection{
			ID: cid, Name: "c" + cid, Shards: map[string][]string{shard: {leader.ID()}}, ShardTerms: map[string]uint64{shard: 1},
		},
		keys.PlanVersion: agencyclient.Increment(1),
	}, nil)
	h.eventually(keys.CurrentShard("_system", cid, shard), (*agencyclient.Node).Exists)
}

func (h *house) target(s *Server) dbclient.Target {
	epoch, _ := h.read(keys.RestoreEpoch).Int()
	return dbclient.Target{URL: s.URL(), Epoch: uint64(epoch)}
}

// insert writes one document, not synced.
func (h *house) insert(s *Server, shard, key, doc string) {
	h.t.Helper()
	r, err := h.dbs.Documents(h.t.Context(), h.target(s), shard, dbclient.DocumentsRequest{
		Collection: "c", Ops: []dbclient.Op{{Kind: dbclient.OpInsert, Key: key, Document: json.RawMessage(doc)}},
	})
	require.NoError(h.t, err)
	require.Nil(h.t, r.Results[0].Error)
}

// keysOf are the keys of all documents of a shard.
func (h *house) keysOf(s *Server, shard string) []string {
	h.t.Helper()
	var page dbclient.ScanResponse
	var err error
	h.await("a leader answers", func() bool {
		page, err = h.dbs.Scan(h.t.Context(), h.target(s), shard, dbclient.ScanRequest{})
		return !errors.Is(err, apierror.NoLeader) && !errors.Is(err, apierror.NotLeader)
	})
	require.NoError(h.t, err)
	found := []string{}
	for _, d := range page.Documents {
		var doc struct {
			Key string `json:"_key"`
		}
		require.NoError(h.t, json.Unmarshal(d, &doc))
		found = append(found, doc.Key)
	}
	return found
}

// lock takes the agency lock for a nonce.
func (h *house) lock(id, nonce string) {
	h.t.Helper()
	h.write(map[string]any{
		keys.HotBackupCreate: "2026-01-01T00:00:00Z",
		keys.HotBackupHolder: keys.Holder{ID: id, Operation: keys.OperationCreate, Nonce: nonce, LeaseSeconds: 600},
	}, map[string]any{keys.HotBackupCreate: agencyclient.OldEmpty(true)})
}

// unlock gives the agency lock back, and with it whatever else is to be written.
func (h *house) unlock(nonce string, also map[string]any) {
	h.t.Helper()
	ops := map[string]any{keys.HotBackupCreate: agencyclient.Delete(), keys.HotBackupHolder: agencyclient.Delete()}
	for key, op := range also {
		ops[key] = op
	}
	h.write(ops, map[string]any{keys.HotBackupNonce: agencyclient.Old(nonce)})
}

// deleted records that a backup is deleted, and that s has a piece of it.
func (h *house) deleted(id string, s *Server) {
	h.t.Helper()
	h.write(map[string]any{
		keys.HotBackupCommit(id):           agencyclient.Delete(),
		keys.HotBackupDeletion(s.ID(), id): keys.Deletion{Coordinator: "CRDN-1"},
	}, nil)
}

func commitOf(id, nonce string) map[string]any {
	return map[string]any{keys.HotBackupCommit(id): keys.Commit{ID: id, Nonce: nonce}}
}

// piece makes a sealed pending piece: everything of a backup up to the commit.
func (h *house) piece(s *Server, id, nonce string) {
	h.t.Helper()
	ctx, to := h.t.Context(), h.target(s)
	require.NoError(h.t, h.dbs.Prepare(ctx, to, dbclient.PieceRequest{ID: id, Nonce: nonce}))
	letGo, err := h.hold(ctx, to, dbclient.GateLockRequest{ID: id, Nonce: nonce, WindowSeconds: 1, LeaseSeconds: 10})
	require.NoError(h.t, err)
	_, err = h.dbs.Cut(ctx, to, dbclient.CutRequest{ID: id, Nonce: nonce, Attempt: 1, DeadlineSeconds: 1})
	require.NoError(h.t, err)
	report, err := h.dbs.GateRelease(ctx, to, dbclient.GateReleaseRequest{ID: id, Nonce: nonce, Attempt: 1})
	require.NoError(h.t, err)
	require.True(h.t, report.Unbroken, report.Reason)
	_ = letGo() // it was released; whether the call knew that is chance
	dump, err := json.Marshal(dbclient.AgencyDump{ClusterID: "x", Index: 1, Dump: json.RawMessage(`[]`)})
	require.NoError(h.t, err)
	made, err := h.dbs.Link(ctx, to, dbclient.LinkRequest{ID: id, Nonce: nonce, DateTime: "2026-01-01T00:00:00Z", Label: "l", NrDBServers: 1, AgencyDump: dump})
	require.NoError(h.t, err)
	require.Equal(h.t, s.ID(), made.ServerID)
	require.NoError(h.t, h.dbs.Seal(ctx, to, dbclient.SealRequest{ID: id, Nonce: nonce, Certificate: json.RawMessage(`{}`)}))
}

// hold asks for a gate as a coordinator does, each time as the next attempt, and returns
// when it is held or refused. It is held, with beats, until the test ends, or until the
// call that is returned.
func (h *house) hold(ctx context.Context, to dbclient.Target, r dbclient.GateLockRequest) (letGo func() error, err error) {
	if h.attempts == nil {
		h.attempts = map[string]uint64{}
	}
	h.attempts[r.Nonce]++
	r.Attempt = h.attempts[r.Nonce]
	holding, cancel := context.WithCancel(h.t.Context())
	h.letGo = append(h.letGo, cancel)
	granted, ended := make(chan struct{}), make(chan error, 1)
	h.holds.Go(func() {
		ended <- h.dbs.GateLock(holding, to, r, func(dbclient.GateLockResponse) { close(granted) })
	})
	letGo = func() error { cancel(); return <-ended }
	select {
	case <-granted:
		return letGo, nil
	case err := <-ended:
		cancel()
		return nil, err
	case <-ctx.Done():
		return nil, errors.Join(ctx.Err(), letGo())
	}
}

// backup makes a whole backup of one server.
func (h *house) backup(s *Server, id string) {
	h.t.Helper()
	h.lock(id, "n-"+id)
	h.piece(s, id, "n-"+id)
	h.unlock("n-"+id, commitOf(id, "n-"+id))
	require.NoError(h.t, h.dbs.Publish(h.t.Context(), h.target(s), dbclient.PieceRequest{ID: id, Nonce: "n-" + id}), "the agency has the commit")
}

// listed are the ids of the published pieces.
func (h *house) listed(s *Server) []string {
	h.t.Helper()
	r, err := h.dbs.List(h.t.Context(), dbclient.Target{URL: s.URL()}, dbclient.ListRequest{})
	require.NoError(h.t, err)
	ids := []string{}
	for _, p := range r.Pieces {
		ids = append(ids, p.ID)
	}
	return ids
}

// raise commits a restore: the epoch goes up, with whatever changes in Plan.
func (h *house) raise(nonce string, r keys.Restore, plan map[string]any) {
	h.t.Helper()
	ops := map[string]any{keys.RestoreEpoch: r.Epoch, keys.HotBackupRestore: r, keys.PlanVersion: agencyclient.Increment(1)}
	for key, op := range plan {
		ops[key] = op
	}
	h.write(ops, map[string]any{keys.HotBackupNonce: agencyclient.Old(nonce)})
}

func (h *house) status(url string) int {
	h.t.Helper()
	resp, err := h.web.Get(url)
	require.NoError(h.t, err)
	require.NoError(h.t, resp.Body.Close())
	return resp.StatusCode
}

func key(n int) string { return fmt.Sprintf("k%05d", n) }
