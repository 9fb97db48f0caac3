package rclone

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/hashicorp/go-hclog"
	"github.com/stretchr/testify/require"

	agencyclient "stasis/agency/client"
	"stasis/agency/keys"
	"stasis/dbserver/backup"
	dbclient "stasis/dbserver/client"
	"stasis/dbserver/engine"
	"stasis/dbserver/transfer"
	"stasis/fsm"
)

const testID = "2026-11-22T12.00.00Z_test"

// pieces makes a data directory in memory with one backup's piece in it, or none.
func pieces(t testing.TB, rows int) *backup.Store {
	t.Helper()
	return piecesAt(t, vfs.NewMem(), "data", rows, engine.Options{MemTableBytes: 1 << 20, CacheBytes: 1 << 20})
}

// piecesAt makes one on a disk.
func piecesAt(t testing.TB, fs vfs.FS, dir string, rows int, o engine.Options) *backup.Store {
	t.Helper()
	require.NoError(t, fs.MkdirAll(dir, 0o755))
	store, err := backup.Open(backup.Config{FS: fs, Dir: dir, ServerID: "PRMR-1", Version: "3.12.5", Engine: o})
	require.NoError(t, err)
	if rows == 0 {
		return store
	}
	o.FS = fs
	e, err := engine.Open(fs.PathJoin(dir, "engine"), o)
	require.NoError(t, err)
	for i := range rows {
		b := e.NewBatch()
		value := make([]byte, 3000)
		_, _ = rand.NewChaCha8([32]byte{byte(i), byte(i >> 8), byte(i >> 16)}).Read(value) // hard to compress
		require.NoError(t, b.Set(fmt.Appendf(nil, "k%08d", i), value))
		require.NoError(t, b.Commit(false))
	}
	ctx := t.Context()
	require.NoError(t, store.Attempts.Prepare(ctx, e, testID, "n"))
	_, err = store.Attempts.Cut(ctx, e, testID, "n")
	require.NoError(t, err)
	_, err = store.Attempts.Link(ctx, dbclient.LinkRequest{ID: testID, Nonce: "n", DateTime: "2026-11-22T12:00:00Z", Label: "x", NrDBServers: 1, AgencyDump: json.RawMessage(`{"dump":[]}`)})
	require.NoError(t, err)
	require.NoError(t, store.Attempts.Seal(ctx, dbclient.SealRequest{ID: testID, Nonce: "n", Certificate: json.RawMessage(`{}`)}))
	require.NoError(t, store.Attempts.Publish(ctx, testID, "n"))
	require.NoError(t, e.Close())
	return store
}

// office is an agency of one state machine, which keeps everything ever written.
type office struct {
	machine *fsm.Machine
	log     bytes.Buffer
	changed chan struct{}
	mu      chan struct{}
}

func newOffice() *office {
	return &office{machine: fsm.New(1000), changed: make(chan struct{}), mu: make(chan struct{}, 1)}
}

func (o *office) Write(_ context.Context, tx agencyclient.Tx) (uint64, error) {
	raw, err := tx.Encode("c")
	if err != nil {
		return 0, err
	}
	parsed, err := fsm.ParseTransaction(raw)
	if err != nil {
		return 0, err
	}
	o.mu <- struct{}{}
	defer func() { <-o.mu }()
	o.log.Write(raw)
	out := o.machine.Apply(1, fsm.Command{Transactions: []fsm.Transaction{parsed}})
	if out[0].Index == 0 {
		return 0, agencyclient.ErrPrecondition
	}
	close(o.changed)
	o.changed = make(chan struct{})
	return out[0].Index, nil
}

func (o *office) Read(_ context.Context, paths ...string) (*agencyclient.Node, error) {
	return o.machine.State().Read(paths), nil
}

func (o *office) Wait(ctx context.Context, ok func(agencyclient.Snapshot) bool) (agencyclient.Snapshot, error) {
	for {
		o.mu <- struct{}{}
		state, changed := o.machine.State(), o.changed
		<-o.mu
		if s := (agencyclient.Snapshot{Index: state.Index(), Root: state.Root()}); ok(s) {
			return s, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return agencyclient.Snapshot{}, ctx.Err()
		}
	}
}

// do runs one job to its end.
func (o *office) do(t testing.TB, store *backup.Store, s realRemote, kind, job string, log io.Writer) keys.TransferEntry {
	t.Helper()
	ctx := t.Context()
	_, err := o.Write(ctx, agencyclient.Tx{Ops: map[string]any{keys.TransferJobKey(job): agencyclient.Set(keys.TransferJob{
		BackupID: testID, Kind: kind, Remote: s.remote.Label(), DBServers: map[string]keys.TransferEntry{"PRMR-1": {Status: keys.TransferNew}},
	})}})
	require.NoError(t, err)
	m := transfer.NewManager(transfer.Config{
		Server: "PRMR-1", RebootID: func() uint64 { return 1 }, Pieces: store, Remotes: testRemotes(t), Agency: o, Watch: o,
		Logger: hclog.New(&hclog.LoggerOptions{Output: log, Level: hclog.Trace}),
		Timing: transfer.Timing{Hold: 1, Backoff: 1, Tries: 2},
	})
	defer m.Close()
	require.NoError(t, m.Start(ctx, dbclient.TransferRequest{
		Job: job, Kind: kind, BackupID: testID, Source: "PRMR-1", Servers: []string{"PRMR-1"}, Remote: s.remote, Config: s.config,
	}))
	var e keys.TransferEntry
	_, err = o.Wait(ctx, func(s agencyclient.Snapshot) bool {
		e = keys.TransferEntry{}
		return s.Root.At(keys.TransferEntryKey(job, "PRMR-1")).Decode(&e) == nil && e.Final()
	})
	require.NoError(t, err)
	return e
}

// A piece goes to every kind of storage and comes back the same; a bit that flips on
// the server's disk is found and named, and mended by the next upload; what is deleted
// is gone. Neither the agency nor a log has credentials,
// nor has the server's storage.
func TestEveryStorage(t *testing.T) {
	for _, s := range storages(t) {
		t.Run(s.name, func(t *testing.T) {
			s.need(t)
			var log bytes.Buffer
			o := newOffice()
			source := pieces(t, 300)
			e := o.do(t, source, s, keys.TransferUpload, "1", &log)
			require.Equal(t, keys.TransferCompleted, e.Status, e.ErrorMessage)
			first := e.Progress.BytesMoved
			e = o.do(t, source, s, keys.TransferUpload, "2", &log)
			require.Equal(t, keys.TransferCompleted, e.Status, e.ErrorMessage)
			require.Zero(t, e.Progress.BytesMoved, "again: nothing is sent of %d bytes", first)
			target := pieces(t, 0)
			e = o.do(t, target, s, keys.TransferDownload, "3", &log)
			require.Equal(t, keys.TransferCompleted, e.Status, e.ErrorMessage)
			v, err := target.Published.Verify(t.Context(), testID)
			require.NoError(t, err)
			require.Empty(t, v.Problems)

			if s.dir != "" {
				victim, size := flip(t, s.dir)
				e = o.do(t, pieces(t, 0), s, keys.TransferDownload, "4", &log)
				require.Equal(t, keys.TransferFailed, e.Status)
				require.Contains(t, e.ErrorMessage, victim)
				found := remoteDo(t, source, s, dbclient.RemoteVerify)
				require.Len(t, found.Problems, 1, found.Problems)
				require.Contains(t, found.Problems[0], victim)
				require.Equal(t, 1, found.Backups[0].Damaged)
				e = o.do(t, source, s, keys.TransferUpload, "5", &log)
				require.Equal(t, keys.TransferCompleted, e.Status, e.ErrorMessage)
				require.EqualValues(t, size, e.Progress.BytesMoved, "what was damaged is sent again, and nothing else")
			}
			require.Empty(t, remoteDo(t, source, s, dbclient.RemoteVerify).Problems)
			require.Len(t, remoteDo(t, source, s, dbclient.RemoteList).Backups, 1)
			require.Zero(t, remoteDo(t, source, s, dbclient.RemotePrune).Removed)
			e = o.do(t, pieces(t, 0), s, keys.TransferDownload, "6", &log)
			require.Equal(t, keys.TransferCompleted, e.Status, e.ErrorMessage)
			remoteDo(t, source, s, dbclient.RemoteDelete)
			r := s.open(t)
			left, err := r.List(t.Context(), "")
			require.NoError(t, errors.Join(err, r.Close()))
			require.Empty(t, left)
			for _, secret := range s.secrets {
				require.NotContains(t, o.log.String(), secret)
				require.NotContains(t, log.String(), secret)
			}
		})
	}
}

// remoteDo has the server keep order at the remote.
func remoteDo(t testing.TB, store *backup.Store, s realRemote, operation string) dbclient.RemoteResponse {
	t.Helper()
	m := transfer.NewManager(transfer.Config{Server: "PRMR-1", Pieces: store, Remotes: testRemotes(t), Timing: transfer.Timing{Backoff: 1, Tries: 2}})
	defer m.Close()
	answer, err := m.Remote(t.Context(), dbclient.RemoteRequest{Operation: operation, ID: map[bool]string{true: testID}[operation == dbclient.RemoteDelete], Remote: s.remote, Config: s.config})
	require.NoError(t, err)
	return answer
}

// flip changes a bit of the largest blob below dir and returns its name and size.
func flip(t testing.TB, dir string) (name string, size int64) {
	t.Helper()
	var largest string
	require.NoError(t, filepath.WalkDir(filepath.Join(dir, "blobs"), func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		if info, err := d.Info(); err == nil && info.Size() > size {
			largest, size = path, info.Size()
		}
		return nil
	}))
	data, err := os.ReadFile(largest)
	require.NoError(t, err)
	data[size/2] ^= 1
	require.NoError(t, os.WriteFile(largest, data, 0o644))
	return filepath.Base(largest), size
}

// A server between that answers 500, cuts connections, or is gone: the job fails with
// a reason and no secret, or gets through; started again it sends only what is missing.
func TestFaultyS3(t *testing.T) {
	var s realRemote
	for _, one := range storages(t) {
		if one.name == "s3" {
			s = one
		}
	}
	origin, err := url.Parse(s.config["s"]["endpoint"])
	require.NoError(t, err)
	var mode atomic.Value
	mode.Store("")
	var puts atomic.Int64
	proxy := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(origin)
		r.Out.Host = r.In.Host // it is signed
	}}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPut && strings.Contains(r.URL.Path, "blobs") {
			switch n := puts.Add(1); {
			case mode.Load() == "500" && n > 3:
				http.Error(w, "out of order", http.StatusInternalServerError)
				return
			case mode.Load() == "full" && n > 3:
				http.Error(w, "no space", http.StatusInsufficientStorage)
				return
			case mode.Load() == "cut" && n > 3:
				panic(http.ErrAbortHandler)
			case mode.Load() == "sometimes" && n%3 == 0:
				http.Error(w, "slow down", http.StatusServiceUnavailable)
				return
			}
		}
		proxy.ServeHTTP(w, r)
	}), ErrorLog: log.New(io.Discard, "", 0)}
	proxy.ErrorLog = server.ErrorLog
	go func() { _ = server.Serve(l) }()
	t.Cleanup(func() { _ = server.Close() })
	s.config["s"]["endpoint"] = "http://" + l.Addr().String()
	source := pieces(t, 1000)
	content, err := source.Published.Content(t.Context(), testID)
	require.NoError(t, err)
	var out bytes.Buffer
	o := newOffice()
	for i, m := range []string{"500", "full", "cut", "sometimes"} {
		s.remote.Path = "bucket/" + m
		mode.Store(m)
		puts.Store(0)
		e := o.do(t, source, s, keys.TransferUpload, fmt.Sprint(10*i+1), &out)
		sent := e.Progress.BytesMoved
		if m != "sometimes" {
			require.Equal(t, keys.TransferFailed, e.Status, m)
			require.NotEmpty(t, e.ErrorMessage)
			for _, secret := range []string{accessKey, secretKey} {
				require.NotContains(t, e.ErrorMessage, secret)
			}
			t.Log(m, e.ErrorMessage)
		}
		mode.Store("")
		e = o.do(t, source, s, keys.TransferUpload, fmt.Sprint(10*i+2), &out)
		require.Equal(t, keys.TransferCompleted, e.Status, e.ErrorMessage)
		require.Less(t, e.Progress.BytesMoved, content.Bytes(), "%s: what was sent before (%d) is not sent again", m, sent)
		e = o.do(t, pieces(t, 0), s, keys.TransferDownload, fmt.Sprint(10*i+3), &out)
		require.Equal(t, keys.TransferCompleted, e.Status, e.ErrorMessage)
	}
	require.NoError(t, server.Close())
	e := o.do(t, source, s, keys.TransferUpload, "99", &out)
	require.Equal(t, keys.TransferFailed, e.Status)
	require.Contains(t, e.ErrorMessage, "connection refused")
}
