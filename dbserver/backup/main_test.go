package backup

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
	"github.com/hashicorp/go-hclog"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"stasis/dbserver/backup/piece"
	dbclient "stasis/dbserver/client"
	"stasis/dbserver/engine"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	testID   = "2026-11-22T12.00.00Z_test"
	testCert = `{"proof":true}`
)

var (
	testDump    = json.RawMessage(`{"clusterId":"c","index":7,"term":1,"dump":[{"arango":{}}]}`)
	testOptions = engine.Options{MemTableBytes: 256 << 10, CacheBytes: 1 << 20}
)

// server is a data directory with its store and, between open and close, engine.
type server struct {
	t     testing.TB
	fs    vfs.FS
	store *Store
	e     *engine.Engine
	small bool // rows of 40 bytes: crash tests copy the disk often
}

func (s *server) rowBytes() int {
	if s.small {
		return 40
	}
	return 3000
}

func newServer(t testing.TB, fs vfs.FS) *server {
	t.Helper()
	s := &server{t: t, fs: fs, store: openStore(t, fs)}
	s.openEngine()
	return s
}

func openStore(t testing.TB, fs vfs.FS) *Store {
	t.Helper()
	require.NoError(t, piece.Disk{FS: fs}.MakeDir("data"))
	store, err := Open(Config{
		FS: fs, Dir: "data", ServerID: "PRMR-1", Version: "1", Engine: testOptions,
		Logger: hclog.New(&hclog.LoggerOptions{Output: t.Output(), Level: hclog.Warn}),
	})
	require.NoError(t, err)
	return store
}

func (s *server) openEngine() {
	s.t.Helper()
	o := testOptions
	o.FS = s.fs
	var err error
	s.e, err = engine.Open("data/engine", o)
	require.NoError(s.t, err)
	s.t.Cleanup(s.close)
}

func (s *server) close() { require.NoError(s.t, s.e.Close()) }

// put writes rows, large enough that some are in tables and some in the log.
func (s *server) put(from, to int) {
	s.t.Helper()
	for i := from; i < to; i++ {
		b := s.e.NewBatch()
		require.NoError(s.t, b.Set(fmt.Appendf(nil, "k%05d", i), make([]byte, s.rowBytes())))
		require.NoError(s.t, b.Commit(false))
	}
}

// rows counts the rows of the engine in dir, without changing it.
func rows(t testing.TB, fs vfs.FS, dir string) int {
	t.Helper()
	o := testOptions
	o.FS, o.ReadOnly = fs, true
	e, err := engine.Open(dir, o)
	require.NoError(t, err)
	it, err := e.NewIter([]byte("k"), []byte("l"))
	require.NoError(t, err)
	n := 0
	for it.Next() {
		n++
	}
	require.NoError(t, it.Err())
	require.NoError(t, it.Close())
	require.NoError(t, e.Close())
	return n
}

func linkRequest(id, nonce string) dbclient.LinkRequest {
	return dbclient.LinkRequest{
		ID: id, Nonce: nonce, DateTime: "2026-11-22T12:00:00Z", Label: "test", NrDBServers: 1, AgencyDump: testDump,
	}
}

// sealed makes a pending piece, complete with its certificate.
func (s *server) sealed(id, nonce string) dbclient.Piece {
	s.t.Helper()
	require.NoError(s.t, s.store.Attempts.Prepare(s.t.Context(), s.e, id, nonce))
	return s.sealedAfterPrepare(id, nonce)
}

// sealedAfterPrepare does the rest: what was written since is in the piece's log.
func (s *server) sealedAfterPrepare(id, nonce string) dbclient.Piece {
	s.t.Helper()
	ctx := s.t.Context()
	_, err := s.store.Attempts.Cut(ctx, s.e, id, nonce)
	require.NoError(s.t, err)
	meta, err := s.store.Attempts.Link(ctx, linkRequest(id, nonce))
	require.NoError(s.t, err)
	require.NoError(s.t, s.store.Attempts.Seal(s.t.Context(), dbclient.SealRequest{ID: id, Nonce: nonce, Certificate: json.RawMessage(testCert)}))
	return meta
}

func (s *server) publish(id, nonce string) dbclient.Piece {
	s.t.Helper()
	meta := s.sealed(id, nonce)
	require.NoError(s.t, s.store.Attempts.Publish(s.t.Context(), id, nonce))
	return meta
}

func listed(t testing.TB, s *Store) []string {
	t.Helper()
	pieces, err := s.Published.List(dbclient.ListRequest{})
	require.NoError(t, err)
	ids := []string{}
	for _, p := range pieces {
		ids = append(ids, p.ID)
	}
	return ids
}

func requireIntact(t testing.TB, s *Store, id string) dbclient.VerifyResponse {
	t.Helper()
	v, err := s.Published.Verify(t.Context(), id)
	require.NoError(t, err)
	require.Empty(t, v.Problems)
	return v
}

// contents is every file below dir with its bytes.
func contents(t testing.TB, fs vfs.FS, dir string) map[string]string {
	t.Helper()
	found := map[string]string{}
	names, err := fs.List(dir)
	require.NoError(t, err)
	for _, name := range names {
		path := fs.PathJoin(dir, name)
		info, err := fs.Stat(path)
		require.NoError(t, err)
		if info.IsDir() {
			maps.Copy(found, contents(t, fs, path))
			continue
		}
		data, err := piece.Disk{FS: fs}.ReadFile(path)
		require.NoError(t, err)
		found[path] = string(data)
	}
	return found
}

func names(t testing.TB, fs vfs.FS, dir string) []string {
	t.Helper()
	found, err := fs.List(dir)
	require.NoError(t, err)
	slices.Sort(found)
	return found
}

// count counts the rows of the open engine.
func (s *server) count() int {
	s.t.Helper()
	it, err := s.e.NewIter([]byte("k"), []byte("l"))
	require.NoError(s.t, err)
	n := 0
	for it.Next() {
		n++
	}
	require.NoError(s.t, it.Close())
	return n
}

// fault fails the n-th operation of a kind, once armed.
type fault struct {
	err  error
	want func(errorfs.Op) bool

	mu          sync.Mutex
	left, fired int
}

func (f *fault) wrap(inner vfs.FS) vfs.FS {
	return errorfs.Wrap(inner, errorfs.InjectorFunc(func(op errorfs.Op) error {
		if !f.want(op) {
			return nil
		}
		f.mu.Lock()
		defer f.mu.Unlock()
		f.left--
		if f.left != 0 {
			return nil
		}
		f.fired++
		return f.err
	}))
}

// arm fails the n-th operation from now; 0 fails none. It says whether the fault
// has fired since it was last armed.
func (f *fault) arm(n int) (fired bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	fired = f.fired > 0
	f.left, f.fired = n, 0
	return fired
}

func hashOf(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}
