package shard

import (
	"context"
	"encoding/json"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	dbclient "stasis/dbserver/client"
	"stasis/dbserver/engine"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// tester is what testing.TB and rapid.T have in common.
type tester interface {
	require.TestingT
	Helper()
}

// opened is an engine on a memory disk with a clock attached.
type opened struct {
	t     tester
	fs    vfs.FS
	env   Env
	clock *Clock
}

func open(t tester, fs vfs.FS, clock *Clock, r Retention) *opened {
	t.Helper()
	return openWith(t, engine.Options{FS: fs}, clock, r)
}

// openUnsynced opens an engine that syncs only what it is asked to: what a test finds after a power cut does not
// depend on how soon that comes.
func openUnsynced(t tester, fs vfs.FS) *opened {
	t.Helper()
	return openWith(t, engine.Options{FS: fs, SyncInterval: time.Hour}, &Clock{}, Retention{})
}

func openWith(t tester, o engine.Options, clock *Clock, r Retention) *opened {
	t.Helper()
	o.CacheBytes, o.MemTableBytes = 1<<20, 1<<20
	e, err := engine.Open("engine", o)
	require.NoError(t, err)
	require.NoError(t, clock.Attach(StoreIn(e)))
	return &opened{t: t, fs: o.FS, env: Env{Engine: e, Clock: clock, Retention: r}, clock: clock}
}

func (o *opened) close() {
	o.t.Helper()
	require.NoError(o.t, o.clock.Detach())
	require.NoError(o.t, o.env.Engine.Close())
}

// solo is the quorum of a replica that is alone.
type solo struct{ e *engine.Engine }

func (solo) Admit() error { return nil }

func (q solo) Await(_ context.Context, _ uint64, sync bool) error {
	if sync {
		return q.e.SyncAll()
	}
	return nil
}

// leader makes or opens shard s1 and has it lead alone.
func (o *opened) leader(t Tenure) *Shard {
	o.t.Helper()
	s, err := Create(o.env, "s1")
	require.NoError(o.t, err)
	require.NoError(o.t, s.Lead(t, solo{o.env.Engine}, true))
	_, err = s.Commit(s.State().Last.Seq)
	require.NoError(o.t, err)
	return s
}

// fresh is one empty shard on an engine of its own, closed with the test.
func fresh(t testing.TB) *Shard {
	t.Helper()
	o := open(t, vfs.NewMem(), &Clock{}, Retention{})
	t.Cleanup(o.close)
	return o.leader(Tenure{1, 1})
}

// do applies operations that must not fail as a whole.
func do(t testing.TB, s *Shard, ops ...dbclient.Op) []dbclient.OpResult {
	t.Helper()
	results, err := s.Documents(t.Context(), dbclient.DocumentsRequest{Collection: "c", Ops: ops, ReturnOld: true, ReturnNew: true})
	require.NoError(t, err)
	require.Len(t, results, len(ops))
	return results
}

func one(t testing.TB, s *Shard, op dbclient.Op) dbclient.OpResult {
	t.Helper()
	return do(t, s, op)[0]
}

func raw(s string) json.RawMessage { return json.RawMessage(s) }

// metaOf is the shard's meta now.
func metaOf(s *Shard) meta {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.r.st.meta
}
