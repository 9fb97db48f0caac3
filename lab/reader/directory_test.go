package reader

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"

	"stasis/client"
	"stasis/fault"
	"stasis/internal/bootclock"
	"stasis/internal/fixture"
	"stasis/internal/network"
	"stasis/minicluster"
)

// inDirectory are the pieces of a backup in the directory of a cluster.
func inDirectory(t testing.TB, dir, id string) (all []Piece) {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(dir, "dbserver-*", "backups", id))
	require.NoError(t, err)
	for _, folder := range found {
		all = append(all, Piece{FS: vfs.Default, Dir: folder})
	}
	require.NotEmpty(t, all)
	return all
}

// expected are the documents, by collection and key, of a backup in the fixtures.
type expected struct {
	ID        string
	Documents map[string]map[string]json.RawMessage
}

// TestBackupsOfEarlierFormats: what each version has written is read as it was written, and not one bit of it is changed.
func TestBackupsOfEarlierFormats(t *testing.T) {
	formats, err := fixture.Formats()
	require.NoError(t, err)
	require.NotEmpty(t, formats)
	for _, format := range formats {
		dir := t.TempDir()
		require.NoError(t, fixture.Unpack(format, "cluster.tar.gz", dir))
		was := hashes(t, vfs.Default, dir)
		raw, err := fixture.Read(format, "expect.json")
		require.NoError(t, err)
		var want struct{ Hot, Marked, Failsafe expected }
		require.NoError(t, json.Unmarshal(raw, &want))
		for name, backup := range map[string]expected{"hot": want.Hot, "marked": want.Marked, "failsafe": want.Failsafe} {
			t.Run(format+" "+name, func(t *testing.T) {
				r, err := Open(t.Context(), backup.ID, inDirectory(t, dir, backup.ID))
				require.NoError(t, err)
				defer func() { require.NoError(t, r.Close()) }()
				report, err := r.Inspect(t.Context(), nil)
				require.NoError(t, err)
				require.Empty(t, report.Problems)
				require.Equal(t, name == "marked", r.Certificate().PotentiallyInconsistent)
				require.Equal(t, name == "failsafe", r.Certificate().ID == "")
				for collection, documents := range backup.Documents {
					require.NoError(t, r.Client().Database("").Documents(t.Context(), collection, func(got json.RawMessage) error {
						var document map[string]any
						require.NoError(t, json.Unmarshal(got, &document))
						delete(document, "_id")
						delete(document, "_rev")
						key := document["_key"].(string)
						plain, err := json.Marshal(document)
						require.NoError(t, err)
						require.JSONEq(t, string(documents[key]), string(plain))
						delete(documents, key)
						return nil
					}))
					require.Empty(t, documents, "of %s", collection)
				}
			})
		}
		require.Equal(t, was, hashes(t, vfs.Default, dir))
	}
}

// onDisk starts a cluster with real disks and a network in memory, in real time.
func onDisk(t *testing.T) (dir string, c *client.Client) {
	t.Helper()
	dir = t.TempDir()
	net := fault.NewNetwork()
	cluster, err := minicluster.Start(t.Context(), minicluster.Options{Dir: dir, Agents: 1, DBServers: 3, Coordinators: 1, Seams: minicluster.Seams{Network: net.Host}})
	require.NoError(t, err)
	web := network.NewHTTPClient(net.Host("client"))
	t.Cleanup(func() {
		web.CloseIdleConnections()
		require.NoError(t, errors.Join(cluster.Stop(context.Background()), net.Close()))
	})
	require.NoError(t, cluster.Ready(t.Context()))
	_, _, coordinators := cluster.Nodes()
	c, err = client.New(coordinators[0].URL, client.Options{HTTP: web})
	require.NoError(t, err)
	return dir, c
}

// TestDirectoryOfARunningCluster: the cluster that owns the pieces runs, writes and takes further backups while one is read, and
// neither notices the other.
func TestDirectoryOfARunningCluster(t *testing.T) {
	dir, c := onDisk(t)
	l := &lab{t: t, client: c}
	l.fill("c0", 50)
	l.fill("c1", 50)
	stop := l.load(1, l.write)
	defer stop()
	id := l.backup("a")
	pieces := inDirectory(t, dir, id)
	require.Len(t, pieces, 3)
	was := map[string]string{}
	for _, p := range pieces {
		for name, sum := range hashes(t, p.FS, p.Dir) {
			was[name] = sum
		}
	}
	var first Contents
	for i := range 3 {
		r, err := Open(t.Context(), id, pieces)
		require.NoError(t, err)
		report, err := r.Inspect(t.Context(), nil)
		require.NoError(t, err)
		require.Empty(t, report.Problems)
		if i == 0 {
			first = report.Contents
		}
		require.Equal(t, first, report.Contents)
		require.NoError(t, r.Client().Database("").Put(t.Context(), "c0", map[string]any{"_key": "of-the-reader"}))
		require.NoError(t, r.Close())
		l.backup(fmt.Sprint("b", i))
	}
	stop()
	var none any
	require.ErrorIs(t, c.Database("").Read(t.Context(), client.Ref{Collection: "c0", Key: "of-the-reader"}, &none), client.ErrNotFound)
	for _, p := range pieces {
		for name, sum := range hashes(t, p.FS, p.Dir) {
			require.Equal(t, was[name], sum, name)
		}
	}
	_, err := c.Backups().Restore(t.Context(), client.RestoreRequest{ID: id})
	require.NoError(t, err)
	require.Equal(t, first, l.read(c))
}

// BenchmarkOpen opens backups of three servers, in real time.
func BenchmarkOpen(b *testing.B) {
	dir := b.TempDir()
	require.NoError(b, fixture.Unpack("format-1", "cluster.tar.gz", dir))
	found, err := filepath.Glob(filepath.Join(dir, "dbserver-1", "backups", "*_format"))
	require.NoError(b, err)
	require.Len(b, found, 1)
	id := filepath.Base(found[0])
	pieces := inDirectory(b, dir, id)
	for b.Loop() {
		r, err := Open(b.Context(), id, pieces)
		require.NoError(b, err)
		require.NoError(b, r.Close())
	}
}

// TestOpenInABubbleIsFast measures what an opening costs in real time, which a bubble hides. It says so and asserts nothing: other
// work on the machine must not fail it.
func TestOpenInABubbleIsFast(t *testing.T) {
	inBubble(t, func(l *lab) {
		l.fill("c", 100)
		id := l.backup("a")
		begun, times := bootclock.Elapsed(), 10
		for range times {
			l.must(l.open(id).Close())
		}
		l.t.Logf("open and close: %v of real time", (bootclock.Elapsed()-begun)/time.Duration(times))
	})
}
