package integration

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"

	"stasis/agency"
	agencyclient "stasis/agency/client"
	"stasis/agency/store"
	"stasis/coordinator/backup"
	"stasis/dbserver/transfer/remotetest"
	"stasis/internal/datadir"
	"stasis/internal/fixture"
	"stasis/internal/network"
	"stasis/internal/version"
	"stasis/minicluster"
)

// Collections of the fixtures.
var fixtureCollections = []string{"people", "plain"}

// TestWriteFixtures writes the fixtures of the format of this version, once, with the
// version that is the first to write it: make fixtures FORMAT=format-2.
func TestWriteFixtures(t *testing.T) {
	format := os.Getenv("STASIS_FIXTURES")
	if format == "" {
		t.Skip("writes fixtures: make fixtures FORMAT=format-2")
	}
	to := filepath.Join("..", fixture.Folder, format)
	require.NoDirExists(t, to, "fixtures that exist are never written again")
	require.NoError(t, os.MkdirAll(to, 0o755))
	dir, storage := t.TempDir(), remotetest.NewMemory()
	want := writeCluster(t, dir, storage)
	require.NoError(t, os.RemoveAll(filepath.Join(dir, "logs")))
	require.NoError(t, fixture.Pack(dir, filepath.Join(to, "cluster.tar.gz")))
	writeRemote(t, storage, filepath.Join(to, "remote.tar.gz"))
	writeAgents(t, filepath.Join(to, "agents.tar.gz"))
	raw, err := json.Marshal(want)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(to, "expect.json"), append(raw, '\n'), 0o644))
}

// writeCluster fills a cluster: a backup that is uploaded, one that is marked, a restore.
func writeCluster(t *testing.T, dir string, storage *remotetest.Memory) expectation {
	t.Helper()
	o := options(t, minicluster.InProcess)
	o.Dir, o.Seams.Remotes = dir, storage.Opener()
	want := expectation{Version: version.Stasis, Agents: o.Agents, DBServers: o.DBServers, Coordinators: o.Coordinators, FoldersAtRoot: "backups"}
	mixLogs(t, o)
	c := start(t, o)
	for i, name := range fixtureCollections {
		require.NoError(t, createReplicated(t.Context(), c.clients[0], name, 3, 2-i, 1))
	}
	put := func(name string, from, to int, value string) {
		for i := range to - from {
			require.NoError(t, c.db(i).Put(t.Context(), name, map[string]any{"_key": fmt.Sprintf("k%d", from+i), "value": value, "number": from + i}))
		}
	}
	read := func() contents {
		s, err := readDocuments(t.Context(), c.db(0), fixtureCollections...)
		require.NoError(t, err)
		return s
	}
	put("people", 0, 30, "first")
	put("plain", 0, 15, "first")
	want.Hot = kept{mustCreate(t, c, "format").ID, read()}
	transferred(t, c, "upload", map[string]any{
		"id": want.Hot.ID, "remoteRepository": "r:/" + want.FoldersAtRoot, "config": map[string]any{"r": map[string]string{"type": "local"}}})
	put("people", 10, 40, "second")
	c.stop(t)

	c = start(t, o)
	put("plain", 5, 20, "second")
	var marked backup.CreateResult
	require.NoError(t, c.clients[0].Backup(t.Context(), "create", map[string]any{"label": "marked", "lockMode": "none", "allowInconsistent": true}, &marked))
	require.True(t, marked.PotentiallyInconsistent)
	want.Marked = kept{marked.ID, read()}
	put("people", 0, 5, "third")
	before := read()
	var r backup.RestoreResult
	require.NoError(t, c.clients[0].Backup(t.Context(), "restore", map[string]any{"id": want.Hot.ID}, &r))
	want.Failsafe = kept{r.Previous, before}
	put("people", 25, 35, "fourth")
	want.Now = read()
	c.stop(t)
	return want
}

// mixLogs makes the directory of a cluster whose last agent has the other kind of log.
func mixLogs(t *testing.T, o minicluster.Options) {
	t.Helper()
	type place struct {
		ID   string `json:"id,omitempty"`
		Port int    `json:"port"`
	}
	agents := make([]place, o.Agents)
	for i := range agents {
		agents[i].ID = datadir.Agent.NewID()
	}
	layout, err := json.Marshal(map[string]any{"format": 1, "agents": agents, "dbservers": []place{}, "coordinators": []place{}})
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(o.Dir, "cluster.json"), layout, 0o644))
	last := filepath.Join(o.Dir, fmt.Sprintf("agent-%d", o.Agents))
	d, err := datadir.Open(vfs.Default, last, datadir.Agent, func() string { return agents[o.Agents-1].ID })
	require.NoError(t, err)
	require.NoError(t, os.Mkdir(d.Path("raft-wal"), 0o700)) // an agent keeps the kind of log that it finds
	require.NoError(t, d.Close())
}

// writeRemote packs a storage as the backend of local folders has it.
func writeRemote(t *testing.T, storage *remotetest.Memory, archive string) {
	t.Helper()
	dir := t.TempDir()
	for name, data := range storage.Objects() {
		path := filepath.Join(dir, filepath.FromSlash(name))
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, data, 0o644))
	}
	require.NoError(t, fixture.Pack(dir, archive))
}

// writeAgents packs agencies of one agent: values before and after a snapshot.
func writeAgents(t *testing.T, archive string) {
	t.Helper()
	dir := t.TempDir()
	for _, kind := range []string{store.LogBolt, store.LogWAL} {
		a, err := agency.Start(t.Context(), agency.Config{ID: "AGNT-" + kind, Dir: filepath.Join(dir, kind), Listen: "127.0.0.1:0", LogStore: kind})
		require.NoError(t, err)
		web := network.NewHTTPClient(network.TCP())
		cl := agencyclient.New(agencyclient.Options{Endpoints: []string{"http://" + a.Addr()}, HTTP: web})
		for i := range 20 {
			_, err := cl.Write(t.Context(), agencyclient.Tx{Ops: map[string]any{fmt.Sprintf("/arango/Fixture/%d", i): agencyclient.Set(strings.Repeat(kind, i))}})
			require.NoError(t, err)
			if i == 9 {
				r, err := web.Post("http://"+a.Addr()+"/_api/agency/compact", "application/json", nil)
				require.NoError(t, err)
				require.NoError(t, r.Body.Close())
				require.Less(t, r.StatusCode, 300)
			}
		}
		web.CloseIdleConnections()
		require.NoError(t, a.Close(t.Context()))
	}
	eventually(t, time.Second, func() error { return holdsFile(dir, "snapshots") })
	require.NoError(t, fixture.Pack(dir, archive))
}

// holdsFile reports whether there is anything in a folder of that name.
func holdsFile(dir, folder string) error {
	found := fmt.Errorf("nothing in %s", folder)
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err == nil && !e.IsDir() && strings.Contains(path, string(filepath.Separator)+folder+string(filepath.Separator)) {
			found = nil
		}
		return err
	})
	if err != nil {
		return err
	}
	return found
}
