package dbserver

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/hashicorp/go-hclog"
	"github.com/stretchr/testify/require"

	"stasis/agency"
	agencyclient "stasis/agency/client"
	"stasis/agency/keys"
	"stasis/dbserver/api"
	dbclient "stasis/dbserver/client"
	"stasis/dbserver/engine"
	"stasis/dbserver/shard"
	"stasis/internal/apierror"
	"stasis/internal/network"
)

// load writes requests of perRequest documents until stop is closed; it counts
// those acknowledged. Refusals and lost connections are none of its business.
type load struct {
	mu    sync.Mutex
	acked map[string]bool // request → acknowledged
	group sync.WaitGroup
	stop  chan struct{}
}

const perRequest = 20

func (h *house) load(s *Server, shard string, writers int) *load {
	l := &load{acked: map[string]bool{}, stop: make(chan struct{})}
	to := h.target(s)
	for w := range writers {
		l.group.Go(func() {
			for n := 0; ; n++ {
				select {
				case <-l.stop:
					return
				case <-time.After(time.Millisecond):
				}
				name := fmt.Sprintf("w%d-%d", w, n)
				r := dbclient.DocumentsRequest{Collection: "c", WaitForSync: true}
				for i := range perRequest {
					r.Ops = append(r.Ops, dbclient.Op{Kind: dbclient.OpInsert, Key: fmt.Sprintf("%s.%d", name, i), Document: json.RawMessage(`{}`)})
				}
				if answer, err := h.dbs.Documents(context.Background(), to, shard, r); err == nil && answer.Results[perRequest-1].Error == nil {
					l.mu.Lock()
					l.acked[name] = true
					l.mu.Unlock()
				}
			}
		})
	}
	return l
}

func (l *load) count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.acked)
}

func (l *load) end() {
	close(l.stop)
	l.group.Wait()
}

// A piece holds exactly what was acknowledged when the gate was granted: nothing
// is in flight while it is held, not even half a request.
func TestPieceHoldsWhatWasAcknowledged(t *testing.T) {
	inBubble(t, func(t *testing.T, h *house) {
		s := h.start("db1")
		h.collection("100", "s101", s)
		h.lock("b1", "n")
		writers := h.load(s, "s101", 4)
		time.Sleep(20 * time.Millisecond)
		to, ctx := h.target(s), t.Context()
		require.NoError(t, h.dbs.Prepare(ctx, to, dbclient.PieceRequest{ID: "b1", Nonce: "n"}))
		_, err := h.hold(ctx, to, dbclient.GateLockRequest{ID: "b1", Nonce: "n", WindowSeconds: 5, LeaseSeconds: 60})
		require.NoError(t, err)
		_, err = h.dbs.Cut(ctx, to, dbclient.CutRequest{ID: "b1", Nonce: "n", Attempt: 1})
		require.NoError(t, err)
		synctest.Wait() // answers on their way arrive
		acknowledged := writers.count()
		report, err := h.dbs.GateRelease(ctx, to, dbclient.GateReleaseRequest{ID: "b1", Nonce: "n", Attempt: 1})
		require.NoError(t, err)
		require.True(t, report.Unbroken)
		_, err = h.dbs.Link(ctx, to, dbclient.LinkRequest{ID: "b1", Nonce: "n", Label: "l", AgencyDump: json.RawMessage(`{}`)})
		require.NoError(t, err)
		time.Sleep(20 * time.Millisecond)
		writers.end()
		require.Greater(t, writers.count(), acknowledged)

		e, err := engine.Open("data/backups/b1.pending/engine", engine.Options{FS: h.fs["db1"], ReadOnly: true, CacheBytes: 1 << 20})
		require.NoError(t, err)
		piece, err := shard.Open(shard.Env{Engine: e}, "s101")
		require.NoError(t, err)
		require.NoError(t, piece.Check(ctx))
		count := piece.State().Count
		require.Equal(t, acknowledged*perRequest, int(count))
		require.NoError(t, e.Close())
	})
}

// Stopping under load, with writers queued at a held gate: it is soon over, and
// what was acknowledged is there at the next start.
func TestStopUnderLoad(t *testing.T) {
	for _, held := range []bool{false, true} {
		t.Run(fmt.Sprintf("gate held: %v", held), func(t *testing.T) {
			inBubble(t, func(t *testing.T, h *house) {
				s := h.start("db1")
				h.collection("100", "s101", s)
				writers := h.load(s, "s101", 4)
				time.Sleep(30 * time.Millisecond)
				if held {
					h.lock("b", "n")
					_, err := h.hold(t.Context(), h.target(s), dbclient.GateLockRequest{ID: "b", Nonce: "n", WindowSeconds: 5, LeaseSeconds: 300})
					require.NoError(t, err)
					time.Sleep(30 * time.Millisecond)
				}
				begun := time.Now()
				h.stop("db1")
				require.Less(t, time.Since(begun), 2*time.Second)
				writers.end()
				s = h.start("db1")
				found := map[string]bool{}
				count, err := h.dbs.Count(t.Context(), h.target(s), "s101", dbclient.CountRequest{})
				require.NoError(t, err)
				for after := ""; ; {
					page, err := h.dbs.Scan(t.Context(), h.target(s), "s101", dbclient.ScanRequest{After: after})
					require.NoError(t, err)
					for _, d := range page.Documents {
						var doc struct {
							Key string `json:"_key"`
						}
						require.NoError(t, json.Unmarshal(d, &doc))
						found[doc.Key] = true
					}
					if after = page.LastKey; !page.More {
						break
					}
				}
				require.Len(t, found, int(count.Count))
				for name := range writers.acked {
					for i := range perRequest {
						require.True(t, found[fmt.Sprintf("%s.%d", name, i)], name)
					}
				}
			})
		})
	}
}

// A request that is inside when the server stops is told so before it does anything.
func TestStopInTheMiddleOfARequest(t *testing.T) {
	inBubble(t, func(t *testing.T, h *house) {
		s := h.start("db1")
		h.collection("100", "s101", s)
		ctx, d, leave, err := s.access.Enter(t.Context())
		require.NoError(t, err)
		const twoChunks = 1010
		r := dbclient.DocumentsRequest{Collection: "c"}
		for i := range twoChunks {
			r.Ops = append(r.Ops, dbclient.Op{Kind: dbclient.OpInsert, Key: key(i), Document: json.RawMessage(`{}`)})
		}
		first := r
		first.Ops = r.Ops[:1]
		docs := api.Documents{ID: s.id, Gate: s.gate}
		_, err = docs.Apply(ctx, d, api.Request[dbclient.DocumentsRequest]{Shard: "s101", Body: first})
		require.NoError(t, err)
		stopped := make(chan struct{})
		go func() {
			defer close(stopped)
			h.stop("db1")
		}()
		synctest.Wait()
		_, err = docs.Apply(ctx, d, api.Request[dbclient.DocumentsRequest]{Shard: "s101", Body: r})
		require.ErrorIs(t, err, apierror.ShuttingDown, "nothing was done")
		leave()
		<-stopped
	})
}

// Without an agency a start ends with its context, and leaves nothing behind.
func TestStartWithoutAgency(t *testing.T) {
	inBubble(t, func(t *testing.T, h *house) {
		h.net.Isolate("agent")
		_, err := h.tryStart("db1")
		require.Error(t, err)
		h.net.HealAll()
		h.net.Rejoin("agent")
		h.start("db1")
	})
}

// While the agency is away data is served as long as the lease lasts, and not a
// moment longer; what Plan wants is done afterwards.
func TestServesWithoutAgency(t *testing.T) {
	inBubble(t, func(t *testing.T, h *house) {
		s := h.start("db1")
		h.collection("100", "s101", s)
		to := h.target(s)
		h.net.Cut("db1", "agent")
		h.net.Cut("agent", "db1")
		h.write(map[string]any{keys.PlanCollection("_system", "200"): keys.Collection{
			ID: "200", Shards: map[string][]string{"s201": {s.ID()}}, ShardTerms: map[string]uint64{"s201": 1}}}, nil)
		insert := func(key string) error {
			_, err := h.dbs.Documents(t.Context(), to, "s101", dbclient.DocumentsRequest{
				Ops: []dbclient.Op{{Kind: dbclient.OpInsert, Key: key, Document: json.RawMessage(`{}`)}}})
			return err
		}
		time.Sleep(5 * time.Second)
		require.NoError(t, insert("a"))
		time.Sleep(5 * time.Second)
		require.ErrorIs(t, insert("b"), apierror.NoLeader)
		_, err := h.dbs.Count(t.Context(), to, "s101", dbclient.CountRequest{})
		require.ErrorIs(t, err, apierror.NoLeader)
		time.Sleep(time.Minute)
		h.net.HealAll()
		h.eventually(keys.CurrentShard("_system", "200", "s201"), (*agencyclient.Node).Exists)
		require.NoError(t, insert("c"))
		require.Equal(t, []string{"a", "c"}, h.keysOf(s, "s101"))
	})
}

// A directory that lost its engine is not taken for a new one.
func TestMissingEngineIsAnError(t *testing.T) {
	inBubble(t, func(t *testing.T, h *house) {
		h.start("db1")
		h.stop("db1")
		require.NoError(t, h.fs["db1"].RemoveAll("data/engine"))
		_, err := h.tryStart("db1")
		require.ErrorContains(t, err, "missing")
	})
}

// An agency that knows less than the data must not rule over it.
func TestYoungerAgencyIsAnError(t *testing.T) {
	inBubble(t, func(t *testing.T, h *house) {
		s := h.start("db1")
		r := restoring(t, h, s)
		h.raise("r", r, restoredPlan())
		checkRestored(t, h, s)
		h.stop("db1")
		h.write(map[string]any{keys.RestoreEpoch: 0}, nil)
		_, err := h.tryStart("db1")
		require.ErrorContains(t, err, "epoch 1")
	})
}

// The same on the operating system's network and disk.
func TestOnTCP(t *testing.T) {
	dir := t.TempDir()
	agent, err := agency.Start(t.Context(), agency.Config{Listen: "127.0.0.1:0", Network: network.TCP(), Dir: "agent", FS: vfs.NewMem()})
	require.NoError(t, err)
	defer func() { require.NoError(t, agent.Close(context.Background())) }()
	web := network.NewHTTPClient(network.TCP())
	defer web.CloseIdleConnections()
	boot := func() *Server {
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
		defer cancel()
		s, err := Start(ctx, Config{Dir: dir, FS: vfs.Default, Listen: "127.0.0.1:0", Agency: []string{agent.URL()},
			Logger: hclog.New(&hclog.LoggerOptions{Output: t.Output(), Level: hclog.Info})})
		require.NoError(t, err)
		return s
	}
	s := boot()
	h := &house{t: t, web: web, agency: agencyclient.New(agencyclient.Options{Endpoints: []string{agent.URL()}, HTTP: web}), dbs: dbclient.New(web)}
	h.collection("100", "s101", s)
	h.await("its shard is served", s.serves) // the report stands in Current a moment before
	h.insert(s, "s101", "a", `{}`)
	h.backup(s, "b1")
	require.NoError(t, s.Close(context.Background()))
	require.NoError(t, s.Close(context.Background()), "closing twice")
	web.CloseIdleConnections() // one that the server has closed could take another request
	_, err = h.dbs.Count(t.Context(), dbclient.Target{URL: s.URL()}, "s101", dbclient.CountRequest{})
	require.ErrorIs(t, err, apierror.ConnectionLost)
	require.ErrorIs(t, err, dbclient.ErrNotSent)
	s = boot()
	require.Equal(t, []string{"a"}, h.keysOf(s, "s101"))
	require.Equal(t, []string{"b1"}, h.listed(s))
	require.NoError(t, s.Close(context.Background()))
}

// Why a server failed is told once; what follows from it is not.
func TestFirstFailureCounts(t *testing.T) {
	inBubble(t, func(t *testing.T, h *house) {
		s := h.start("db1")
		h.collection("100", "s101", s)
		s.tasks.fail(errors.New("first"))
		s.tasks.fail(errors.New("second"))
		require.EqualError(t, <-s.Err(), "first")
		require.Empty(t, s.Err())
	})
}

// A server that gets no time closes its engine all the same once its requests have ended,
// so another one may open it.
func TestClosingWithoutTimeLeavesNoEngineOpen(t *testing.T) {
	inBubble(t, func(t *testing.T, h *house) {
		s := h.start("db1")
		h.lock("b1", "n")
		_, err := h.hold(t.Context(), h.target(s), dbclient.GateLockRequest{ID: "b1", Nonce: "n", WindowSeconds: 5, LeaseSeconds: 60})
		require.NoError(t, err)
		late, cancel := context.WithCancel(t.Context())
		cancel()
		require.ErrorIs(t, s.Close(late), context.Canceled, "the gate's request is inside")
		h.start("db1")
	})
}
