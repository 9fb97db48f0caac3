package reader

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stasis/client"
	"stasis/fault"
	"stasis/internal/bubbles"
	"stasis/internal/network"
	"stasis/minicluster"
)

// lab is a cluster in a bubble.
type lab struct {
	t       *testing.T
	cluster *minicluster.Cluster
	disks   *fault.Disks
	client  *client.Client
}

func inBubble(t *testing.T, test func(*lab)) {
	bubbles.Test(t, func(t *testing.T) {
		net, disks := fault.NewNetwork(), fault.NewDisks()
		c, err := minicluster.Start(t.Context(), minicluster.Options{
			Agents: 3, DBServers: 3, Coordinators: 1,
			Seams: minicluster.Seams{Network: net.Host, Disks: disks.FS, AgentsInMemory: true},
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
		cl, err := client.New(coordinators[0].URL, client.Options{HTTP: web})
		require.NoError(t, err)
		test(&lab{t: t, cluster: c, disks: disks, client: cl})
	})
}

func (l *lab) must(err error) {
	l.t.Helper()
	require.NoError(l.t, err)
}

// pieces are the pieces of a backup on the cluster's disks.
func (l *lab) pieces(id string) (all []Piece) {
	_, dbservers, _ := l.cluster.Nodes()
	for _, n := range dbservers {
		all = append(all, Piece{FS: l.disks.FS(n.Name), Dir: n.Name + "/backups/" + id})
	}
	return all
}

func TestABackupIsRead(t *testing.T) {
	inBubble(t, func(l *lab) {
		t := l.t
		db := l.client.Database("")
		l.must(db.CreateCollectionAs(t.Context(), "c", client.Layout{Shards: 6, ReplicationFactor: 2}))
		for i := range 100 {
			l.must(db.Put(t.Context(), "c", map[string]any{"_key": fmt.Sprint(i), "v": i}))
		}
		before, err := ReadAll(t.Context(), l.client, nil)
		l.must(err)
		res, err := l.client.Backups().Create(t.Context(), client.CreateRequest{Label: "a"})
		l.must(err)
		begun := time.Now()
		r, err := Open(t.Context(), res.ID, l.pieces(res.ID))
		l.must(err)
		t.Log("virtual time", time.Since(begun))
		contents, err := ReadAll(t.Context(), r.Client(), nil)
		l.must(err)
		require.Equal(t, before, contents)
		replicas, err := r.Replicas(t.Context())
		l.must(err)
		require.Len(t, replicas, 12)
		require.Empty(t, Unequal(replicas))
		l.must(r.Close())
	})
}
