package integration

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"

	agencyclient "stasis/agency/client"
	"stasis/agency/recovery"
	"stasis/client"
	"stasis/coordinator/backup"
	"stasis/internal/datadir"
	"stasis/internal/network"
	"stasis/lab/world"
	"stasis/minicluster"
)

// TestAgencyLost is the drill: a cluster with databases, documents and a backup loses two
// of three agents' disks, and the agency is recovered from the third; then it loses all
// three, and the agency is made of a saved snapshot. DB servers and coordinators run all
// the time. Nothing that was there before is missing afterwards, and the cluster works.
func TestAgencyLost(t *testing.T) {
	dir := t.TempDir()
	onDisk := func(o *minicluster.Options) { // the test does something to what agents have
		inMemory := o.Seams.Disks
		o.Dir, o.Seams.Disks = dir, func(server string) vfs.FS {
			if strings.HasPrefix(server, "agent") {
				return vfs.Default
			}
			return inMemory(server)
		}
	}
	inBubbleOf(t, world.Config{Agents: 3, DBServers: 2, Coordinators: 2, Adjust: onDisk}, 1, func(b *bubble) {
		t, d := b.t, &agencyDrill{bubble: b, dir: dir}
		d.fill()
		time.Sleep(5 * time.Second) // all agents have it

		require.NoError(t, b.Kill("agent-1"))
		require.NoError(t, b.Kill("agent-2"))
		d.wipe("agent-1", "agent-2")
		time.Sleep(30 * time.Second) // all servers notice the loss
		require.NoError(t, b.Kill("agent-3"))
		survivor, err := recovery.Recover(recovery.Options{Dir: filepath.Join(dir, "agent-3")})
		require.NoError(t, err)
		require.EqualValues(t, 2, survivor.After.Incarnation)
		b.restart("agent-3")
		b.restart("agent-1")
		b.restart("agent-2")
		d.voters(3)
		d.works("recovered")

		saved, _, err := b.agency.Snapshot(t.Context())
		require.NoError(t, err)
		for _, name := range b.agents() {
			require.NoError(t, b.Kill(name))
		}
		id, err := datadir.Owner(vfs.Default, filepath.Join(dir, "agent-2"))
		require.NoError(t, err)
		d.wipe(b.agents()...)
		d.another()
		_, err = recovery.Restore(saved, recovery.RestoreOptions{Dir: filepath.Join(dir, "agent-2"), ID: id})
		require.NoError(t, err)
		b.restart("agent-2")
		b.restart("agent-1")
		b.restart("agent-3")
		d.voters(3)
		d.works("restored")
	})
}

// agencyDrill is the cluster of the drill.
type agencyDrill struct {
	*bubble
	dir    string
	backup backup.CreateResult
	count  int
}

const drilled = "/_db/shop/_api/document/orders"

// fill makes what must not be lost.
func (d *agencyDrill) fill() {
	ctx, cl := d.t.Context(), d.clients[0]
	require.NoError(d.t, cl.EnsureDatabase(ctx, "shop"))
	require.NoError(d.t, cl.Do(ctx, http.MethodPost, "/_db/shop/_api/collection", map[string]any{"name": "orders", "numberOfShards": 3, "replicationFactor": 2}, nil))
	for range 20 {
		d.add()
	}
	require.NoError(d.t, cl.Backup(ctx, "create", map[string]any{"label": "kept"}, &d.backup))
	d.add()
}

func (d *agencyDrill) add() {
	d.t.Helper()
	d.await(time.Minute, func() error {
		return d.clients[d.count%2].Do(d.t.Context(), http.MethodPost, drilled+"?overwriteMode=replace", map[string]any{"_key": fmt.Sprint("k", d.count), "n": d.count}, nil)
	})
	d.count++
}

// wipe takes agents' disks away.
func (d *agencyDrill) wipe(names ...string) {
	d.t.Helper()
	for _, name := range names {
		require.DirExists(d.t, filepath.Join(d.dir, name))
		require.NoError(d.t, os.RemoveAll(filepath.Join(d.dir, name)))
	}
}

// another starts the agents with nothing: they are an agency, and not the cluster's. DB
// servers and coordinators do nothing there, and a coordinator says so.
func (d *agencyDrill) another() {
	d.t.Helper()
	var starting sync.WaitGroup
	for _, name := range d.bubble.agents() {
		starting.Go(func() {
			if err := d.Restart(d.t.Context(), name); err != nil { // each waits for the others
				d.t.Error(err)
			}
		})
	}
	starting.Wait()
	time.Sleep(time.Minute)
	web := network.NewHTTPClient(d.host("stranger"))
	defer web.CloseIdleConnections()
	agents, _, _ := d.Cluster().Nodes()
	fresh := agencyclient.New(agencyclient.Options{Endpoints: []string{agents[0].URL}, HTTP: web})
	root, err := fresh.Read(d.t.Context(), "/")
	require.NoError(d.t, err)
	require.Equal(d.t, "{}", root.String(), "an empty world was taken for the cluster's")
	require.NotEqual(d.t, fresh.Origin().Agency, d.observer.agency.Origin().Agency)
	var status client.Status
	require.NoError(d.t, d.clients[0].Do(d.t.Context(), http.MethodGet, client.PathStatus, nil, &status))
	for id, agent := range status.Agents {
		require.Contains(d.t, agent.Note, "what it says is ignored", id)
		require.False(d.t, agent.Good || agent.Leading, id)
	}
	require.Len(d.t, status.Agents, 3)
	for _, name := range d.bubble.agents() {
		require.NoError(d.t, d.Kill(name))
	}
	d.wipe(d.bubble.agents()...)
}

// voters waits until so many agents vote.
func (d *agencyDrill) voters(want int) {
	d.t.Helper()
	d.await(time.Minute, func() error {
		members, err := d.observer.agency.Members(d.t.Context())
		n := 0
		for _, m := range members {
			if m.Voter && m.Heard {
				n++
			}
		}
		if err == nil && n != want {
			err = fmt.Errorf("%d agents vote: %v", n, members)
		}
		return err
	})
}

// works checks that everything is there, and that the cluster does what it did.
func (d *agencyDrill) works(label string) {
	d.t.Helper()
	ctx := d.t.Context()
	require.NoError(d.t, d.Cluster().Ready(ctx))
	d.heal()
	d.holds(d.count)
	d.add()
	d.holds(d.count)
	for _, cl := range d.clients {
		var list backup.ListResult
		require.NoError(d.t, cl.Backup(ctx, "list", map[string]any{}, &list))
		require.True(d.t, list.List[d.backup.ID].Available, "%v", list)
		require.NoError(d.t, cl.Do(ctx, http.MethodPost, "/_db/shop/_api/collection", map[string]any{"name": label + cl.URL()[len("http://coordinator-"):len("http://coordinator-")+1], "replicationFactor": 2}, nil))
	}
	var made backup.CreateResult
	require.NoError(d.t, d.clients[1].Backup(ctx, "create", map[string]any{"label": label}, &made))
	require.NoError(d.t, d.clients[0].Backup(ctx, "restore", map[string]any{"id": d.backup.ID}, &backup.RestoreResult{}))
	d.holds(20)
	require.NoError(d.t, d.clients[0].Backup(ctx, "restore", map[string]any{"id": made.ID}, &backup.RestoreResult{}))
	d.holds(d.count)
}

// holds checks that the collection has the first n documents and no other.
func (d *agencyDrill) holds(n int) {
	d.t.Helper()
	d.await(time.Minute, func() error {
		var counted struct {
			Count int `json:"count"`
		}
		errs := []error{d.clients[0].Do(d.t.Context(), http.MethodGet, "/_db/shop/_api/collection/orders/count", nil, &counted)}
		for i := range n {
			var doc struct {
				N int `json:"n"`
			}
			if err := d.clients[i%2].Do(d.t.Context(), http.MethodGet, fmt.Sprintf("%s/k%d", drilled, i), nil, &doc); err != nil || doc.N != i {
				errs = append(errs, fmt.Errorf("document %d is %d: %w", i, doc.N, err))
			}
		}
		if counted.Count != n {
			errs = append(errs, fmt.Errorf("%d documents, not %d", counted.Count, n))
		}
		return errors.Join(errs...)
	})
}
