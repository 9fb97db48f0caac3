package shard

import (
	"encoding/json"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"stasis/dbserver/client"
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
	e, err := engine.Open("engine", engine.Options{FS: fs, CacheBytes: 1 << 20, MemTableBytes: 1 << 20})
	require.NoError(t, err)
	require.NoError(t, clock.Attach(StoreIn(e)))
	return &opened{t: t, fs: fs, env: Env{Engine: e, Clock: clock, Retention: r}, clock: clock}
}

func (o *opened) close() {
	o.t.Helper()
	require.NoError(o.t, o.clock.Detach())
	require.NoError(o.t, o.env.Engine.Close())
}

// fresh is one empty shard on an engine of its own, closed with the test.
func fresh(t testing.TB) *Shard {
	t.Helper()
	o := open(t, vfs.NewMem(), &Clock{}, Retention{})
	t.Cleanup(o.close)
	s, err := Create(o.env, "s1", 1)
	require.NoError(t, err)
	return s
}

// do applies operations that must not fail as a whole.
func do(t testing.TB, s *Shard, ops ...client.Op) []client.OpResult {
	t.Helper()
	results, err := s.Documents(client.DocumentsRequest{Collection: "c", Ops: ops, ReturnOld: true, ReturnNew: true})
	require.NoError(t, err)
	require.Len(t, results, len(ops))
	return results
}

func one(t testing.TB, s *Shard, op client.Op) client.OpResult {
	t.Helper()
	return do(t, s, op)[0]
}

func raw(s string) json.RawMessage { return json.RawMessage(s) }
