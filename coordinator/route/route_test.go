package route_test

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/stretchr/testify/require"

	agencyclient "stasis/agency/client"
	"stasis/agency/keys"
	"stasis/coordinator/catalog"
	"stasis/coordinator/route"
	dbclient "stasis/dbserver/client"
	"stasis/fsm"
	"stasis/internal/apierror"
	"stasis/internal/bubbles"
)

// plan is an agency's tree that a test sets; the cache sees it at the next Sync.
type plan struct {
	mu     sync.Mutex
	seen   agencyclient.Snapshot
	latest agencyclient.Snapshot
	syncs  int
	fail   error // of Sync
}

func (p *plan) Snapshot() agencyclient.Snapshot {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.seen
}

func (p *plan) Sync(context.Context) (agencyclient.Snapshot, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.syncs++
	if p.fail != nil {
		return agencyclient.Snapshot{}, p.fail
	}
	p.seen = p.latest
	return p.seen, nil
}

// Wait looks every 10 ms; waiting makes the cache see what is new.
func (p *plan) Wait(ctx context.Context, ok func(agencyclient.Snapshot) bool) (agencyclient.Snapshot, error) {
	for {
		p.mu.Lock()
		p.seen = p.latest
		s := p.seen
		p.mu.Unlock()
		if ok(s) {
			return s, nil
		}
		select {
		case <-ctx.Done():
			return s, ctx.Err()
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// layout is what a test says of the cluster: shards and leaders of collection c.
type layout struct {
	epoch   uint64
	epochs  map[string]uint64 // of DB servers
	leaders []string          // of s1, s2, …
	term    uint64            // of all shards
	keys    []string          // shard keys
	id      string            // of the collection; "10" if empty
}

func (l layout) tree(t testing.TB) *agencyclient.Node {
	t.Helper()
	coll := keys.Collection{ID: cmp.Or(l.id, "10"), Name: "c", ShardKeys: l.keys, Shards: map[string][]string{}, ShardTerms: map[string]uint64{}}
	servers, known, registered := map[string]string{}, map[string]keys.Known{}, map[string]keys.Registered{}
	for i, leader := range l.leaders {
		coll.Shards[keys.ShardName(uint64(i+1))] = []string{leader}
		coll.ShardTerms[keys.ShardName(uint64(i+1))] = l.term
		servers[leader] = "none"
		known[leader] = keys.Known{Epoch: l.epochs[leader]}
		registered[leader] = keys.Registered{Endpoint: "tcp://" + strings.ToLower(leader)}
	}
	raw, err := json.Marshal(map[string]any{"arango": map[string]any{
		"Plan": map[string]any{
			"Version": 1, "DBServers": servers,
			"Databases": map[string]any{"db": keys.Database{Name: "db"}}, "Collections": map[string]any{"db": map[string]any{coll.ID: coll}},
		},
		"Current": map[string]any{"ServersKnown": known, "ServersRegistered": registered},
		"Sync":    map[string]any{"HotBackupRestoreDone": l.epoch},
	}})
	require.NoError(t, err)
	root, err := fsm.Parse(raw)
	require.NoError(t, err)
	return root
}

func (p *plan) become(t testing.TB, l layout) {
	t.Helper()
	root := l.tree(t)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.latest = agencyclient.Snapshot{Index: p.latest.Index + 1, Root: root}
}

// servers are DB servers by URL, answering with their function; every request is noted.
type servers struct {
	mu     sync.Mutex
	hang   func(t dbclient.Target) bool // it never answers
	answer func(t dbclient.Target, shard string, r dbclient.DocumentsRequest) (dbclient.DocumentsResponse, error)
	log    []string
}

func (s *servers) note(t dbclient.Target, shard string, n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.log = append(s.log, fmt.Sprintf("%s %s epoch %d: %d", t.URL, shard, t.Epoch, n))
}

func (s *servers) Documents(ctx context.Context, t dbclient.Target, shard string, r dbclient.DocumentsRequest) (dbclient.DocumentsResponse, error) {
	s.note(t, shard, len(r.Ops))
	if s.hang != nil && s.hang(t) {
		<-ctx.Done()
		return dbclient.DocumentsResponse{}, lost(ctx.Err())
	}
	if s.answer != nil {
		if a, err := s.answer(t, shard, r); err != nil || a.Results != nil {
			return a, err
		}
	}
	a := dbclient.DocumentsResponse{Synced: r.WaitForSync}
	for _, op := range r.Ops {
		a.Results = append(a.Results, dbclient.OpResult{Key: op.Key, Rev: shard})
	}
	return a, nil
}

func (s *servers) Scan(context.Context, dbclient.Target, string, dbclient.ScanRequest) (dbclient.ScanResponse, error) {
	return dbclient.ScanResponse{}, errors.New("not used")
}

func (s *servers) Count(_ context.Context, t dbclient.Target, shard string, _ dbclient.CountRequest) (dbclient.CountResponse, error) {
	s.note(t, shard, 0)
	if s.answer != nil {
		if _, err := s.answer(t, shard, dbclient.DocumentsRequest{}); err != nil {
			return dbclient.CountResponse{}, err
		}
	}
	return dbclient.CountResponse{Count: 10, Revision: "_" + shard}, nil
}

func (s *servers) Truncate(_ context.Context, t dbclient.Target, shard string, _ dbclient.TruncateRequest) error {
	_, err := s.Count(context.Background(), t, shard, dbclient.CountRequest{})
	return err
}

func (s *servers) Checksum(_ context.Context, t dbclient.Target, shard string, _ dbclient.ChecksumRequest) (dbclient.ChecksumResponse, error) {
	c, err := s.Count(context.Background(), t, shard, dbclient.CountRequest{})
	return dbclient.ChecksumResponse{Checksum: "ffffffffffffff0" + strings.TrimPrefix(shard, "s"), Count: c.Count, Revision: c.Revision}, err
}

type fixture struct {
	plan    *plan
	servers *servers
	catalog *catalog.Catalog
	router  *route.Router
}

func start(t testing.TB, l layout) *fixture {
	t.Helper()
	f := &fixture{plan: &plan{}, servers: &servers{}}
	f.plan.become(t, l)
	f.plan.seen = f.plan.latest
	f.catalog = catalog.New(catalog.Options{AgencyTimeout: time.Second, Cache: f.plan, Logger: hclog.NewNullLogger()})
	f.router = &route.Router{Servers: f.servers, Catalog: f.catalog, Attempt: time.Minute, Retry: 3 * time.Second, AtOnce: 10}
	return f
}

func (f *fixture) send(t *testing.T, change func(*route.Request), ops ...dbclient.Op) (route.Outcome, error) {
	t.Helper()
	snap := f.catalog.Cached()
	coll, ok := snap.Collection("db", "c")
	require.True(t, ok)
	r := route.Request{Ref: route.Ref{Database: "db", Name: "c"}, Snapshot: snap, Collection: coll, Ops: ops}
	if change != nil {
		change(&r)
	}
	return f.router.Documents(t.Context(), r)
}

// only returns the result of the only operation, its error as an error.
func only(o route.Outcome) (dbclient.OpResult, error) {
	if len(o.Results) != 1 {
		return dbclient.OpResult{}, errors.New("not one result")
	}
	if err := o.Results[0].Error; err != nil {
		return o.Results[0], err
	}
	return o.Results[0], nil
}

func inserts(n int) (ops []dbclient.Op) {
	for i := range n {
		ops = append(ops, dbclient.Op{Kind: dbclient.OpInsert, Key: fmt.Sprintf("k%d", i)})
	}
	return ops
}

func lost(marks ...error) error {
	return &apierror.Error{Num: apierror.ConnectionLost, Message: "no answer", Cause: errors.Join(marks...)}
}

// The function that places documents must never change.
func TestShardOfAKeyIsFixed(t *testing.T) {
	got := fmt.Sprint(route.ShardIndex("a", 7), route.ShardIndex("k1", 7), route.ShardIndex("10001", 7), route.ShardIndex("ü", 1000), route.ShardIndex("", 1000))
	require.Equal(t, fixedShards, got)
	counts := make([]int, 8)
	for i := range 80_000 {
		counts[route.ShardIndex(fmt.Sprint(1_000_000+i), 8)]++
	}
	require.InDelta(t, 10_000, slices.Min(counts), 500)
	require.InDelta(t, 10_000, slices.Max(counts), 500)
}

// Operations go to their shards, in order within a shard, and results come back in order.
func TestResultsAreInOrder(t *testing.T) {
	bubbles.Test(t, func(t *testing.T) {
		f := start(t, layout{leaders: []string{"A", "B", "A"}})
		out, err := f.send(t, func(r *route.Request) { r.WaitForSync = true }, inserts(100)...)
		require.NoError(t, err)
		require.True(t, out.Synced)
		for i, r := range out.Results {
			key := fmt.Sprintf("k%d", i)
			require.Equal(t, key, r.Key)
			require.Equal(t, keys.ShardName(uint64(route.ShardIndex(key, 3)+1)), r.Rev)
		}
		for _, line := range f.servers.log {
			require.NotContains(t, line, "http://b s1")
		}
		require.Greater(t, len(f.servers.log), 9, "at most ten operations in one request")
	})
}

// What was certainly not applied is sent again, to where a newer Plan says.
func TestRefusedIsSentAgain(t *testing.T) {
	for _, refusal := range []error{apierror.NotLeader, apierror.ShardGone, apierror.StartingUp, lost(dbclient.ErrNotSent)} {
		bubbles.Test(t, func(t *testing.T) {
			f := start(t, layout{leaders: []string{"A", "A"}})
			f.plan.become(t, layout{leaders: []string{"A", "B"}})
			f.servers.answer = func(to dbclient.Target, shard string, _ dbclient.DocumentsRequest) (a dbclient.DocumentsResponse, err error) {
				if shard == "s2" && to.URL == "http://a" {
					err = refusal
				}
				return a, err
			}
			out, err := f.send(t, nil, inserts(8)...)
			require.NoError(t, err)
			for _, r := range out.Results {
				require.Nil(t, r.Error)
			}
			require.Equal(t, 1, f.plan.syncs)
			require.Len(t, f.servers.log, 3, "the other shard is not asked again: %v", f.servers.log)
		})
	}
}

// A write whose answer is lost is not sent again, and the client learns that its outcome is
// unknown. A read is sent again.
func TestLostAnswers(t *testing.T) {
	bubbles.Test(t, func(t *testing.T) {
		f := start(t, layout{leaders: []string{"A"}})
		fail := true
		f.servers.answer = func(dbclient.Target, string, dbclient.DocumentsRequest) (a dbclient.DocumentsResponse, err error) {
			if fail {
				err, fail = lost(context.DeadlineExceeded), false
			}
			return a, err
		}
		out, err := f.send(t, nil, inserts(1)...)
		require.NoError(t, err)
		_, err = only(out)
		require.ErrorIs(t, err, apierror.ConnectionLost)
		require.ErrorContains(t, err, "outcome is unknown")
		require.Equal(t, 503, apierror.From(err).Status())
		require.Len(t, f.servers.log, 1)

		fail = true
		out, err = f.send(t, nil, dbclient.Op{Kind: dbclient.OpRead, Key: "k"})
		require.NoError(t, err)
		_, err = only(out)
		require.NoError(t, err)
		require.Len(t, f.servers.log, 3)
	})
}

// Of several requests to one shard none overtakes one that failed.
func TestNothingOvertakes(t *testing.T) {
	bubbles.Test(t, func(t *testing.T) {
		f := start(t, layout{leaders: []string{"A"}})
		calls := 0
		f.servers.answer = func(dbclient.Target, string, dbclient.DocumentsRequest) (a dbclient.DocumentsResponse, err error) {
			if calls++; calls == 2 {
				err = lost()
			}
			return a, err
		}
		out, err := f.send(t, nil, inserts(35)...)
		require.NoError(t, err)
		require.Len(t, f.servers.log, 2)
		for i, r := range out.Results {
			switch {
			case i < 10:
				require.Nil(t, r.Error)
			case i < 20:
				require.ErrorContains(t, r.Error, "unknown")
			default:
				require.ErrorContains(t, r.Error, "not sent")
			}
		}
	})
}

// Looking for a leader has an end: 503, and nothing was applied.
func TestNoLeader(t *testing.T) {
	bubbles.Test(t, func(t *testing.T) {
		f := start(t, layout{leaders: []string{"_A"}})
		began := time.Now()
		out, err := f.send(t, nil, inserts(1)...)
		require.NoError(t, err)
		_, err = only(out)
		require.ErrorIs(t, err, apierror.NoLeader)
		require.ErrorContains(t, err, "nothing was applied")
		require.Equal(t, 503, apierror.From(err).Status())
		require.InDelta(t, 3, time.Since(began).Seconds(), 0.5)
		require.Empty(t, f.servers.log)
	})
}

// Until every DB server has the restore epoch open nothing is sent. A request made
// for the data before a restore is not applied after it.
func TestEpochs(t *testing.T) {
	bubbles.Test(t, func(t *testing.T) {
		f := start(t, layout{leaders: []string{"A", "B"}})
		f.plan.become(t, layout{leaders: []string{"A", "B"}, epoch: 1, epochs: map[string]uint64{"A": 1}})
		f.servers.answer = func(to dbclient.Target, _ string, _ dbclient.DocumentsRequest) (a dbclient.DocumentsResponse, err error) {
			if to.Epoch != 1 {
				err = apierror.New(apierror.WrongEpoch, "the server is at 1")
			}
			return a, err
		}
		time.AfterFunc(time.Second, func() {
			f.plan.become(t, layout{leaders: []string{"A", "B"}, epoch: 1, epochs: map[string]uint64{"A": 1, "B": 1}})
		})
		pinned, free := make(chan error), make(chan error)
		for ch, pin := range map[chan error]bool{pinned: true, free: false} {
			snap := f.catalog.Cached()
			coll, _ := snap.Collection("db", "c")
			go func() {
				out, err := f.router.Documents(t.Context(), route.Request{Ref: route.Ref{Database: "db", Name: "c"}, Snapshot: snap, Collection: coll, Pinned: pin, Ops: inserts(1)})
				if err == nil {
					_, err = only(out)
				}
				ch <- err
			}()
		}
		err := <-pinned
		require.ErrorContains(t, err, "restored meanwhile")
		require.Equal(t, 503, apierror.From(err).Status())
		require.NoError(t, <-free)
		f.servers.mu.Lock()
		defer f.servers.mu.Unlock()
		require.Len(t, f.servers.log, 3, "twice refused, then once served: %v", f.servers.log)

		f.plan.become(t, layout{leaders: []string{"A", "B"}, epoch: 2, epochs: map[string]uint64{"A": 2, "B": 1}})
		_, err = f.plan.Sync(t.Context())
		require.NoError(t, err)
	})
}

func TestNotConvergedIsUnavailableAtOnce(t *testing.T) {
	bubbles.Test(t, func(t *testing.T) {
		f := start(t, layout{leaders: []string{"A", "B"}, epoch: 2, epochs: map[string]uint64{"A": 2, "B": 1}})
		_, err := f.send(t, nil, inserts(1)...)
		require.ErrorContains(t, err, "DB server B is at epoch 1")
		require.Equal(t, 503, apierror.From(err).Status())
		require.Empty(t, f.servers.log)
		_, _, err = f.router.Count(t.Context(), route.Ref{Database: "db", Name: "c"})
		require.ErrorContains(t, err, "DB server B is at epoch 1")
		_, err = f.router.Scan(t.Context(), route.Place{Ref: route.Ref{Database: "db", Name: "10"}, Epoch: 1}, dbclient.ScanRequest{})
		require.ErrorContains(t, err, "restored meanwhile")
	})
}

func TestCountAndTruncate(t *testing.T) {
	bubbles.Test(t, func(t *testing.T) {
		f := start(t, layout{leaders: []string{"A", "B", "A"}})
		failures := 1
		f.servers.answer = func(_ dbclient.Target, shard string, _ dbclient.DocumentsRequest) (a dbclient.DocumentsResponse, err error) {
			f.servers.mu.Lock()
			defer f.servers.mu.Unlock()
			if shard == "s2" && failures > 0 {
				failures--
				err = lost()
			}
			return a, err
		}
		ref := route.Ref{Database: "db", Name: "c"}
		n, revision, err := f.router.Count(t.Context(), ref)
		require.NoError(t, err)
		require.EqualValues(t, 30, n)
		require.Equal(t, "_s3", revision)
		require.Len(t, f.servers.log, 4, "only the one that failed is asked again")

		failures, f.servers.log = 1, nil
		err = f.router.Truncate(t.Context(), ref, true)
		require.ErrorContains(t, err, "done on 2 of 3 shards; on another: the answer was lost, so the outcome is unknown")
		require.Len(t, f.servers.log, 3, "never sent twice")
		f.plan.become(t, layout{leaders: []string{"A", "_B", "A"}})
		f.plan.seen = f.plan.latest
		err = f.router.Truncate(t.Context(), ref, true)
		require.ErrorIs(t, err, apierror.NoLeader)
		require.EqualError(t, err, "done on 2 of 3 shards; on another: nothing was applied, try again: shard s2 of collection c has no leader at present")
		require.Equal(t, 503, apierror.From(err).Status())
		f.plan.become(t, layout{leaders: []string{"A", "B", "A"}})
		f.plan.seen = f.plan.latest
		require.NoError(t, f.router.Truncate(t.Context(), ref, true))
		_, _, err = f.router.Count(t.Context(), route.Ref{Database: "db", Name: "nope"})
		require.ErrorIs(t, err, apierror.CollectionNotFound)
	})
}

// A truncation of which one shard's outcome is unknown is not one that a backup held up and that was done nowhere.
func TestUnknownOutcomeIsToldBeforeARefusal(t *testing.T) {
	bubbles.Test(t, func(t *testing.T) {
		f := start(t, layout{leaders: []string{"A", "B", "C"}})
		f.servers.answer = func(_ dbclient.Target, shard string, _ dbclient.DocumentsRequest) (a dbclient.DocumentsResponse, err error) {
			if shard == "s2" {
				return a, lost()
			}
			return a, apierror.New(apierror.GateClosed, "backup b holds up writes")
		}
		ref := route.Ref{Database: "db", Name: "c"}
		err := f.router.Truncate(t.Context(), ref, true)
		require.ErrorIs(t, err, apierror.ConnectionLost, "a truncation that may have been done counts as refused")
		require.ErrorContains(t, err, "the outcome is unknown")

		f.servers.answer = func(dbclient.Target, string, dbclient.DocumentsRequest) (a dbclient.DocumentsResponse, err error) {
			return a, apierror.New(apierror.GateClosed, "backup b holds up writes")
		}
		require.ErrorIs(t, f.router.Truncate(t.Context(), ref, true), apierror.GateClosed)
	})
}

// fixedShards is where some keys have always been.
const fixedShards = "1 4 0 105 342"
