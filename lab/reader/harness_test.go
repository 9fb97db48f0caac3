package reader

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/hashicorp/go-hclog"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"stasis/client"
	"stasis/fault"
	"stasis/internal/bubbles"
	"stasis/internal/network"
	"stasis/minicluster"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// lab is a cluster in a bubble.
type lab struct {
	t       *testing.T
	cluster *minicluster.Cluster
	net     *fault.Network
	disks   *fault.Disks
	client  *client.Client // of coordinator-1
	other   *client.Client // of coordinator-2
}

func inBubble(t *testing.T, test func(*lab)) {
	t.Helper()
	bubbles.Test(t, func(t *testing.T) {
		net, disks := fault.NewNetwork(), fault.NewDisks()
		c, err := minicluster.Start(t.Context(), minicluster.Options{
			Agents: 3, DBServers: 3, Coordinators: 2, Seams: minicluster.Seams{Network: net.Host, Disks: disks.FS},
			Logger: hclog.New(&hclog.LoggerOptions{Output: t.Output(), Level: hclog.Error}),
		})
		require.NoError(t, err)
		web := network.NewHTTPClient(net.Host("client"))
		defer func() { // also after a failure: the bubble would complain of nothing else
			net.HealAll()
			disks.HealAll()
			web.CloseIdleConnections()
			if err := errors.Join(c.Stop(context.Background()), net.Close()); err != nil {
				t.Error(err)
			}
		}()
		require.NoError(t, c.Ready(t.Context()))
		_, _, coordinators := c.Nodes()
		l := &lab{t: t, cluster: c, net: net, disks: disks}
		l.client, err = client.New(coordinators[0].URL, client.Options{HTTP: web})
		require.NoError(t, err)
		l.other, err = client.New(coordinators[1].URL, client.Options{HTTP: web})
		require.NoError(t, err)
		test(l)
	})
}

func (l *lab) must(err error) {
	l.t.Helper()
	require.NoError(l.t, err)
}

// fill makes a collection with documents.
func (l *lab) fill(collection string, documents int) {
	l.t.Helper()
	db := l.client.Database("")
	l.must(db.EnsureCollection(l.t.Context(), collection, client.Layout{Shards: 6, ReplicationFactor: 2}))
	for i := range documents {
		l.must(db.Put(l.t.Context(), collection, map[string]any{"_key": fmt.Sprint(i), "v": i}))
	}
}

func (l *lab) backup(label string) string {
	l.t.Helper()
	res, err := l.client.Backups().Create(l.t.Context(), client.CreateRequest{Label: label})
	l.must(err)
	return res.ID
}

// pieces are the pieces of a backup on the cluster's disks.
func (l *lab) pieces(id string) (all []Piece) {
	_, dbservers, _ := l.cluster.Nodes()
	for _, n := range dbservers {
		all = append(all, Piece{FS: l.disks.FS(n.Name), Dir: n.Name + "/backups/" + id})
	}
	return all
}

// open opens a backup of the cluster. It is closed at the end, if the test has not.
func (l *lab) open(id string) *Reader {
	l.t.Helper()
	r, err := l.tryOpen(id, l.pieces(id))
	l.must(err)
	return r
}

// tryOpen is Open. What is opened is closed at the end, also when the test fails: the bubble would complain of nothing else.
func (l *lab) tryOpen(id string, pieces []Piece) (*Reader, error) {
	r, err := Open(l.t.Context(), id, pieces)
	if err == nil {
		l.t.Cleanup(func() { require.NoError(l.t, r.Close()) })
	}
	return r, err
}

func (l *lab) read(c *client.Client) Contents {
	l.t.Helper()
	contents, err := ReadAll(l.t.Context(), c, nil)
	l.must(err)
	return contents
}

// hashes are those of all files below dir.
func hashes(t require.TestingT, disk vfs.FS, dir string) map[string]string {
	all := map[string]string{}
	names, err := disk.List(dir)
	require.NoError(t, err)
	for _, name := range names {
		at := disk.PathJoin(dir, name)
		info, err := disk.Stat(at)
		require.NoError(t, err)
		if info.IsDir() {
			for path, sum := range hashes(t, disk, at) {
				all[path] = sum
			}
			continue
		}
		f, err := disk.Open(at)
		require.NoError(t, err)
		h := sha256.New()
		_, err = io.Copy(h, f)
		require.NoError(t, errors.Join(err, f.Close()))
		all[at] = fmt.Sprintf("%x, changed at %s", h.Sum(nil), info.ModTime())
	}
	return all
}
