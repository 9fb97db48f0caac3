package integration

import (
	"context"
	"encoding/json"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stasis/coordinator/backup"
	dbclient "stasis/dbserver/client"
	"stasis/dbserver/transfer/remotetest"
	"stasis/internal/fixture"
	"stasis/internal/network"
	"stasis/minicluster"
)

// expectation is what must be found in the fixtures of a format.
type expectation struct {
	Version       string `json:"version"` // that wrote them
	Agents        int    `json:"agents"`
	DBServers     int    `json:"dbservers"`
	Coordinators  int    `json:"coordinators"`
	FoldersAtRoot string `json:"remotePath"` // of the backups in the remote

	Now contents `json:"now"` // the documents when the cluster was stopped

	Hot      kept `json:"hot"`      // with a certificate of one instant; uploaded too
	Marked   kept `json:"marked"`   // potentially inconsistent
	Failsafe kept `json:"failsafe"` // of the restore of Hot
}

// kept is a backup in the fixtures.
type kept struct {
	ID        string   `json:"id"`
	Documents contents `json:"documents"`
}

// formats runs a test for every format that there are fixtures of.
func formats(t *testing.T, test func(t *testing.T, format string, want expectation)) {
	names, err := fixture.Formats()
	require.NoError(t, err)
	require.NotEmpty(t, names)
	for _, format := range names {
		t.Run(format, func(t *testing.T) {
			raw, err := fixture.Read(format, "expect.json")
			require.NoError(t, err)
			var want expectation
			require.NoError(t, json.Unmarshal(raw, &want))
			test(t, format, want)
		})
	}
}

// A cluster that an earlier version wrote: this version opens it, at other addresses,
// with the same documents; its backups are intact, online and offline; its failsafe and
// its backup are restored; what is at the remote is downloaded; new backups are taken;
// old ones are deleted.
func TestEarlierFormats(t *testing.T) {
	t.Parallel()
	formats(t, func(t *testing.T, format string, want expectation) {
		modes(t, func(t *testing.T, o minicluster.Options) {
			o.Agents, o.DBServers, o.Coordinators = want.Agents, want.DBServers, want.Coordinators
			require.NoError(t, fixture.Unpack(format, "cluster.tar.gz", o.Dir))
			forgetPorts(t, o.Dir)
			intactOffline(t, o.Dir, want)
			r := earlierRemote(t, &o, format, want)
			c := &earlier{cluster: start(t, o), want: want, remote: r}
			c.holds(t, want.Now)
			c.lists(t)
			c.intact(t)
			c.restores(t, want.Failsafe)
			c.restores(t, want.Hot)
			c.moves(t)
			c.deletes(t)
		})
	})
}

// earlier is a running cluster that an earlier version wrote.
type earlier struct {
	*cluster
	want   expectation
	remote remote
}

// forgetPorts makes every server listen elsewhere than before.
func forgetPorts(t testing.TB, dir string) {
	t.Helper()
	path := filepath.Join(dir, "cluster.json")
	raw, err := os.ReadFile(path)
	require.NoError(t, err)
	var layout map[string]any
	require.NoError(t, json.Unmarshal(raw, &layout))
	for _, role := range []string{"agents", "dbservers", "coordinators"} {
		for _, p := range layout[role].([]any) {
			p.(map[string]any)["port"] = 0
		}
	}
	raw, err = json.Marshal(layout)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(path, raw, 0o644))
}

// intactOffline checks all backups by their files alone, before anything has run.
func intactOffline(t *testing.T, dir string, want expectation) {
	t.Helper()
	program, err := binary()
	require.NoError(t, err)
	out, err := exec.Command(program, "backup", "verify", "--json", "--dir", dir).Output()
	require.NoError(t, err, "%s", out)
	var results []backup.VerifyResult
	require.NoError(t, json.Unmarshal(out, &results), "%s", out)
	marked := map[string]bool{}
	for _, r := range results {
		require.True(t, r.Intact, "%s: %v", r.ID, r.Problems)
		require.Len(t, r.Pieces, want.DBServers, r.ID)
		marked[r.ID] = r.PotentiallyInconsistent
	}
	require.Equal(t, map[string]bool{want.Hot.ID: false, want.Marked.ID: true, want.Failsafe.ID: false}, marked)
}

// earlierRemote opens the remote that an earlier version wrote.
func earlierRemote(t *testing.T, o *minicluster.Options, format string, want expectation) remote {
	t.Helper()
	dir := t.TempDir()
	require.NoError(t, fixture.Unpack(format, "remote.tar.gz", dir))
	r := remote{"r:" + filepath.Join(dir, want.FoldersAtRoot), map[string]any{"r": map[string]string{"type": "local", "description": canary}}}
	if o.Mode == minicluster.Processes {
		o.Program.DBServerFlags = []string{"--backup.local-root=" + dir}
		return r
	}
	storage := remotetest.NewMemory()
	require.NoError(t, filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		storage.Change(path[1:], data)
		return err
	}))
	o.Seams.Remotes = storage.Opener()
	return r
}

func (c *earlier) call(t testing.TB, command string, request map[string]any, result any) {
	t.Helper()
	require.NoError(t, c.clients[0].Backup(t.Context(), command, request, result), command)
}

// holds reads everything from every coordinator. Replicas must be the same, too.
func (c *earlier) holds(t testing.TB, want contents) {
	t.Helper()
	for i := range c.clients {
		got, err := readDocuments(t.Context(), c.db(i), slices.Collect(maps.Keys(want))...)
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	web := network.NewHTTPClient(network.TCP())
	defer web.CloseIdleConnections()
	o := observe(c.Cluster, web)
	eventually(t, time.Minute, func() error { return o.healed(ctx) })
}

func (c *earlier) lists(t testing.TB) {
	t.Helper()
	var list backup.ListResult
	c.call(t, "list", nil, &list)
	require.Len(t, list.List, 3)
	for id, kind := range map[string]string{c.want.Hot.ID: "hot", c.want.Marked.ID: "hot", c.want.Failsafe.ID: "failsafe"} {
		e := list.List[id]
		require.True(t, e.Available, "%+v", e)
		require.Equal(t, c.want.DBServers, e.NrPiecesPresent)
		require.Equal(t, id == c.want.Marked.ID, e.PotentiallyInconsistent)
		require.Equal(t, kind, e.Kind)
	}
}

func (c *earlier) intact(t testing.TB) {
	t.Helper()
	for _, id := range []string{c.want.Hot.ID, c.want.Marked.ID, c.want.Failsafe.ID} {
		var v backup.VerifyResult
		c.call(t, "verify", map[string]any{"id": id}, &v)
		require.True(t, v.Intact, "%s: %v", id, v.Problems)
		require.Equal(t, id == c.want.Marked.ID, v.PotentiallyInconsistent)
	}
}

func (c *earlier) restores(t testing.TB, k kept) {
	t.Helper()
	var r backup.RestoreResult
	c.call(t, "restore", map[string]any{"id": k.ID}, &r)
	c.holds(t, k.Documents)
}

// moves downloads what an earlier version uploaded, restores it, and uploads a backup of
// this version beside it, and the earlier one again.
func (c *earlier) moves(t testing.TB) {
	t.Helper()
	at := func(id string) map[string]any {
		return map[string]any{"id": id, "remoteRepository": c.remote.path, "config": c.remote.config}
	}
	c.call(t, "delete", map[string]any{"id": c.want.Hot.ID}, &map[string]any{})
	transferred(t, c.cluster, "download", at(c.want.Hot.ID))
	c.restores(t, c.want.Hot)
	transferred(t, c.cluster, "upload", at(c.want.Hot.ID))
	var made backup.CreateResult
	c.call(t, "create", map[string]any{"label": "later"}, &made)
	transferred(t, c.cluster, "upload", at(made.ID))
	for _, operation := range []string{dbclient.RemoteVerify, dbclient.RemoteList} {
		request := at("")
		request["operation"] = operation
		var at dbclient.RemoteResponse
		c.call(t, "remote", request, &at)
		require.Len(t, at.Backups, 2, operation)
		require.Empty(t, at.Problems)
		for _, b := range at.Backups {
			require.True(t, b.Complete, "%+v", b)
		}
	}
	request := at(c.want.Hot.ID)
	request["operation"] = dbclient.RemoteDelete
	var gone dbclient.RemoteResponse
	c.call(t, "remote", request, &gone)
	require.Empty(t, gone.Problems)
}

func (c *earlier) deletes(t testing.TB) {
	t.Helper()
	var list backup.ListResult
	c.call(t, "list", nil, &list)
	require.Contains(t, list.List, c.want.Hot.ID)
	require.Contains(t, list.List, c.want.Marked.ID)
	for id := range list.List {
		c.call(t, "delete", map[string]any{"id": id}, &map[string]any{})
	}
	list = backup.ListResult{}
	c.call(t, "list", nil, &list)
	require.Empty(t, list.List)
}
