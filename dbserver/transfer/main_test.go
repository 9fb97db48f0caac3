package transfer_test

import (
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/hashicorp/go-hclog"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"stasis/dbserver/backup"
	dbclient "stasis/dbserver/client"
	"stasis/dbserver/engine"
	"stasis/dbserver/transfer"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	first  = "2026-11-22T12.00.00Z_first"
	second = "2026-11-22T13.00.00Z_second"
)

// brisk are intervals for tests on the real clock.
var brisk = transfer.Timing{Hold: time.Millisecond, Report: time.Millisecond, Retry: time.Millisecond, Lease: 60 * time.Millisecond, Backoff: time.Microsecond, Tries: 2}

var small = engine.Options{MemTableBytes: 256 << 10, CacheBytes: 1 << 20}

// shop is a DB server's data directory: an engine, and the pieces made of it.
type shop struct {
	t     testing.TB
	fs    vfs.FS
	id    string
	store *backup.Store
	e     *engine.Engine
	rows  int
}

// emptyShop has no engine: a server that pieces come to.
func emptyShop(t testing.TB, fs vfs.FS, id string) *shop {
	t.Helper()
	require.NoError(t, fs.MkdirAll("data", 0o755))
	store, err := backup.Open(backup.Config{
		FS: fs, Dir: "data", ServerID: id, Version: "3.12.5", Engine: small,
		Logger: hclog.New(&hclog.LoggerOptions{Output: t.Output(), Level: hclog.Warn}),
	})
	require.NoError(t, err)
	return &shop{t: t, fs: fs, id: id, store: store}
}

func newShop(t testing.TB, id string) *shop {
	t.Helper()
	s := emptyShop(t, vfs.NewMem(), id)
	o := small
	o.FS = s.fs
	var err error
	s.e, err = engine.Open("data/engine", o)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.e.Close()) })
	return s
}

// put adds rows, which differ from server to server.
func (s *shop) put(n, size int) {
	s.t.Helper()
	for range n {
		b := s.e.NewBatch()
		value := make([]byte, size)
		seed := [32]byte{byte(s.rows), byte(s.rows >> 8), byte(s.rows >> 16), s.id[len(s.id)-1]}
		_, _ = rand.NewChaCha8(seed).Read(value) // hard to compress, the same every time
		require.NoError(s.t, b.Set(fmt.Appendf(nil, "k%05d", s.rows), value))
		require.NoError(s.t, b.Commit(false))
		s.rows++
	}
}

// backup makes a piece of a backup that servers have pieces of.
func (s *shop) backup(id string, servers ...string) {
	s.t.Helper()
	ctx, nonce := s.t.Context(), "nonce-of-"+id
	require.NoError(s.t, s.store.Attempts.Prepare(ctx, s.e, id, nonce))
	_, err := s.store.Attempts.Cut(ctx, s.e, id, nonce)
	require.NoError(s.t, err)
	_, err = s.store.Attempts.Link(ctx, dbclient.LinkRequest{
		ID: id, Nonce: nonce, DateTime: "2026-11-22T12:00:00Z", Label: "x", NrDBServers: len(servers),
		AgencyDump: json.RawMessage(`{"clusterId":"c","index":7,"term":1,"dump":[{"arango":{"Plan":{"DBServers":{}}}}]}`),
	})
	require.NoError(s.t, err)
	require.NoError(s.t, s.store.Attempts.Seal(ctx, dbclient.SealRequest{ID: id, Nonce: nonce, Certificate: json.RawMessage(`{"proof":"` + id + `"}`)}))
	require.NoError(s.t, s.store.Attempts.Publish(ctx, id, nonce))
}

func (s *shop) listed() []string {
	s.t.Helper()
	pieces, err := s.store.Published.List(dbclient.ListRequest{})
	require.NoError(s.t, err)
	ids := []string{}
	for _, p := range pieces {
		ids = append(ids, p.ID)
	}
	return ids
}

func (s *shop) intact(id string) {
	s.t.Helper()
	v, err := s.store.Published.Verify(s.t.Context(), id)
	require.NoError(s.t, err)
	require.Empty(s.t, v.Problems)
}

// files are the contents of a piece, without the trace of how it came here.
func (s *shop) files(id string) map[string]string {
	s.t.Helper()
	found := map[string]string{}
	for _, sub := range []string{"", "engine"} {
		dir := s.fs.PathJoin("data", "backups", id, sub)
		names, err := s.fs.List(dir)
		require.NoError(s.t, err)
		for _, name := range names {
			if name == "ATTEMPT" || name == "engine" {
				continue
			}
			f, err := s.fs.Open(s.fs.PathJoin(dir, name))
			require.NoError(s.t, err)
			data, err := io.ReadAll(f)
			require.NoError(s.t, err)
			require.NoError(s.t, f.Close())
			found[sub+"/"+name] = string(data)
		}
	}
	return found
}

// leftovers are the names in the folder of backups.
func (s *shop) leftovers() []string {
	names, err := s.fs.List("data/backups")
	require.NoError(s.t, err)
	return names
}
