package integration

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/arangodb/go-driver/v2/arangodb"
	"github.com/arangodb/go-driver/v2/arangodb/shared"
	"github.com/stretchr/testify/require"

	"stasis/agency/keys"
	"stasis/client"
	"stasis/coordinator/backup"
	dbclient "stasis/dbserver/client"
	"stasis/dbserver/transfer/remotetest"
	"stasis/internal/apierror"
	"stasis/minicluster"
)

// canary stands in a configuration for what must be seen nowhere.
const canary = "canary-5ecr3t-7f1e9c"

// remote is where a test's backups go: a folder for processes, which have rclone
// inside, and a storage in memory for clusters in this process, which have not.
type remote struct {
	path   string
	config map[string]any
}

func newRemote(t *testing.T, o *minicluster.Options) remote {
	config := map[string]any{"r": map[string]string{"type": "local", "description": canary}}
	if o.Mode == minicluster.InProcess {
		if o.Seams.Remotes == nil {
			o.Seams.Remotes = remotetest.NewMemory().Opener()
		}
		return remote{"r:/memory/backups", config}
	}
	root := t.TempDir()
	o.Program.DBServerFlags = []string{"--backup.local-root=" + root}
	return remote{"r:" + filepath.Join(root, "remote"), config}
}

// await asks for the progress, at the upload endpoint whatever was started, until
// every server has ended.
func await(t testing.TB, c arangodb.Client, m arangodb.TransferMonitor) map[string]string {
	t.Helper()
	ended := map[string]string{}
	eventually(t, time.Minute, func() error {
		p, err := m.Progress(t.Context())
		require.NoError(t, err)
		require.NotEmpty(t, p.DBServers, "every server is listed from the first answer")
		for id, s := range p.DBServers {
			if st := string(s.Status); (keys.TransferEntry{Status: st}).Final() {
				ended[id] = st
			}
		}
		if len(ended) < len(p.DBServers) {
			return fmt.Errorf("ended so far: %v", ended)
		}
		return nil
	})
	return ended
}

func requireAll(t testing.TB, want string, got map[string]string) {
	t.Helper()
	require.Len(t, got, 3)
	for id, s := range got {
		require.Equal(t, want, s, id)
	}
}

// The official driver uploads, deletes, downloads and restores, aborts and asks for
// what does not exist.
func TestDriverTransfers(t *testing.T) {
	t.Parallel()
	modes(t, func(t *testing.T, o minicluster.Options) {
		r := newRemote(t, &o)
		c := start(t, o)
		ctx := t.Context()
		var driver arangodb.Client
		for _, d := range drivers(c) {
			driver = d
			break
		}
		col, docs := fill(t, driver, 500)
		want := readAll(ctx, t, col, docs)
		b, err := driver.BackupCreate(ctx, &arangodb.BackupCreateOptions{Label: "away"})
		require.NoError(t, err)

		up, err := driver.BackupUpload(ctx, b.ID, r.path, r.config)
		require.NoError(t, err)
		requireAll(t, "COMPLETED", await(t, driver, up))

		// At once aborted: cancelled, however small it is.
		up, err = driver.BackupUpload(ctx, b.ID, r.path, r.config)
		require.NoError(t, err)
		require.NoError(t, up.Abort(ctx))
		requireAll(t, "CANCELLED", await(t, driver, up))

		require.NoError(t, driver.BackupDelete(ctx, b.ID))
		require.NoError(t, col.Truncate(ctx))
		down, err := driver.BackupDownload(ctx, b.ID, r.path, r.config)
		require.NoError(t, err)
		requireAll(t, "COMPLETED", await(t, driver, down))
		checkList(t, driver, b.ID)
		restore(t, driver, b.ID)
		require.Equal(t, want, readAll(ctx, t, col, docs))

		// What does not exist is started and fails; an unknown job is not found.
		up, err = driver.BackupUpload(ctx, "2000-01-01T00.00.00Z_none", r.path, r.config)
		require.NoError(t, err)
		requireAll(t, "FAILED", await(t, driver, up))
		down, err = driver.BackupDownload(ctx, "2000-01-01T00.00.00Z_none", r.path, r.config)
		require.NoError(t, err)
		requireAll(t, "FAILED", await(t, driver, down))
		unknown, err := driver.TransferMonitor("4711", arangodb.TransferTypeUpload)
		require.NoError(t, err)
		_, err = unknown.Progress(ctx)
		require.True(t, shared.IsNotFound(err), "%v", err)

		nothingKept(t, c, o)
	})
}

func fill(t testing.TB, driver arangodb.Client, n int) (arangodb.Collection, []map[string]any) {
	t.Helper()
	db, err := driver.GetDatabase(t.Context(), "_system", nil)
	require.NoError(t, err)
	col, err := db.CreateCollectionV2(t.Context(), "people", &arangodb.CreateCollectionPropertiesV2{NumberOfShards: ptr(6)})
	require.NoError(t, err)
	docs := people(t, n)
	createAll(t, col, docs)
	return col, docs
}

// nothingKept looks for the canary in the agency, and in every file of the cluster:
// logs of the processes, Raft's log, data.
func nothingKept(t testing.TB, c *cluster, o minicluster.Options) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	require.NoError(t, c.Stop(ctx))
	require.NoError(t, filepath.WalkDir(o.Dir, func(path string, e os.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		if err == nil && strings.Contains(string(data), canary) {
			err = fmt.Errorf("the configuration is in %s", path)
		}
		return err
	}))
}

// Total loss: of the cluster nothing is left. A new one, with new ids and more
// servers, lists what is at the remote, downloads it, restores it, and has the data;
// one with fewer is refused with the numbers.
func TestTotalLoss(t *testing.T) {
	t.Parallel()
	modes(t, func(t *testing.T, o minicluster.Options) {
		r := newRemote(t, &o)
		old := start(t, o)
		ctx := t.Context()
		docs := filled(t, old, scale(300, 20000))
		var b backup.CreateResult
		require.NoError(t, old.clients[0].Backup(ctx, "create", map[string]any{"label": "last"}, &b))
		transferred(t, old, "upload", map[string]any{"id": b.ID, "remoteRepository": r.path, "config": r.config})
		kept := signer(t, old)
		stopCtx, cancel := context.WithTimeout(ctx, time.Minute)
		defer cancel()
		require.NoError(t, old.Stop(stopCtx))
		require.NoError(t, os.RemoveAll(o.Dir))

		few := o
		few.Dir, few.DBServers = t.TempDir(), 2
		small := start(t, few)
		err := small.clients[0].Backup(ctx, "download", map[string]any{"id": b.ID, "remoteRepository": r.path, "config": r.config}, &map[string]string{})
		require.ErrorIs(t, err, apierror.BackupTopology)
		require.ErrorContains(t, err, "the backup has 3 DB servers, the cluster only 2")
		require.NoError(t, small.Stop(stopCtx))

		o.Dir, o.DBServers = t.TempDir(), 4
		fresh := start(t, o)
		var list dbclient.RemoteResponse
		require.NoError(t, fresh.clients[1].Backup(ctx, "remote", map[string]any{"operation": "list", "remoteRepository": r.path, "config": r.config}, &list))
		require.Len(t, list.Backups, 1)
		require.Equal(t, b.ID, list.Backups[0].ID)
		require.True(t, list.Backups[0].Complete)
		d := forgedDrill{t, fresh, r, kept}
		d.recognises(b.ID, true)
		transferred(t, fresh, "download", map[string]any{"id": b.ID, "remoteRepository": r.path, "config": r.config, "key": kept})
		var verified backup.VerifyResult
		require.NoError(t, fresh.clients[0].Backup(ctx, "verify", map[string]any{"id": b.ID}, &verified))
		require.True(t, verified.Intact, "%v", verified.Problems)
		require.Equal(t, &client.Signature{Key: kept.ID(), Status: client.SignatureUnknownKey}, verified.Signature, "it is not of this cluster")
		require.NoError(t, fresh.clients[0].Backup(ctx, "restore", map[string]any{"id": b.ID, "key": kept}, &backup.RestoreResult{}))
		for i := range fresh.clients {
			all, err := readDocuments(ctx, fresh.db(i), "people")
			require.NoError(t, err)
			require.Equal(t, docs, all)
		}
		d.forged()
	})
}

// signer is the public key of a cluster, which its user keeps elsewhere.
func signer(t testing.TB, c *cluster) client.PublicKey {
	t.Helper()
	var found client.SigningKeys
	eventually(t, time.Minute, func() (err error) {
		found, err = c.clients[1].Backups().Keys(t.Context())
		if err == nil && len(found.Keys) != 1 {
			err = fmt.Errorf("keys: %v", found)
		}
		return err
	})
	require.Equal(t, found.Keys[0].ID, found.Signer)
	return found.Keys[0].Public
}

// forgedDrill is what is left after the loss of a cluster: a remote, and the public key.
type forgedDrill struct {
	t     testing.TB
	fresh *cluster
	at    remote
	kept  client.PublicKey
}

// recognises checks what a verify at the remote says with the key.
func (d forgedDrill) recognises(id string, genuine bool) {
	d.t.Helper()
	var found client.RemoteResult
	request := map[string]any{"operation": "verify", "id": id, "remoteRepository": d.at.path, "config": d.at.config, "key": d.kept}
	require.NoError(d.t, d.fresh.clients[0].Backup(d.t.Context(), "remote", request, &found))
	require.Len(d.t, found.Backups, 1)
	require.Equal(d.t, genuine, len(found.Problems) == 0, "%v", found.Problems)
	require.Equal(d.t, genuine, found.Backups[0].Signature.Status == client.SignatureValid)
}

// forged has a cluster that is not the lost one make a backup, and put it beside that of the lost
// one: it is recognised at the remote, while it is downloaded, and before it is restored.
func (d forgedDrill) forged() {
	d.t.Helper()
	ctx := d.t.Context()
	var b backup.CreateResult
	require.NoError(d.t, d.fresh.clients[0].Backup(ctx, "create", map[string]any{"label": "forged"}, &b))
	where := map[string]any{"id": b.ID, "remoteRepository": d.at.path, "config": d.at.config}
	transferred(d.t, d.fresh, "upload", where)
	d.recognises(b.ID, false)
	err := d.fresh.clients[0].Backup(ctx, "restore", map[string]any{"id": b.ID, "key": d.kept}, &backup.RestoreResult{})
	require.ErrorContains(d.t, err, "signed with another key")
	require.NoError(d.t, d.fresh.clients[0].Backup(ctx, "delete", map[string]any{"id": b.ID}, &backup.DeleteResult{}))
	id, err := d.fresh.clients[0].Backups().Transfer(ctx, client.Download, client.TransferRequest{
		ID: b.ID, Remote: client.Remote{Path: d.at.path, Config: remoteConfig(d.t, d.at)}, Keys: []client.PublicKey{d.kept},
	})
	require.NoError(d.t, err)
	eventually(d.t, time.Minute, func() error {
		st, err := d.fresh.clients[0].Backups().TransferStatus(ctx, id)
		require.NoError(d.t, err)
		if !st.Finished() {
			return errors.New("not finished")
		}
		for server, e := range st.DBServers {
			require.Equal(d.t, client.TransferFailed, e.Status, server)
			require.Contains(d.t, e.ErrorMessage, "signed with another key")
		}
		return nil
	})
}

func remoteConfig(t testing.TB, r remote) client.RemoteConfig {
	t.Helper()
	raw, err := json.Marshal(r.config)
	require.NoError(t, err)
	config, err := client.ParseRemoteConfig(raw)
	require.NoError(t, err)
	return config
}

// filled puts documents into a collection and reads them back.
func filled(t testing.TB, c *cluster, n int) contents {
	t.Helper()
	ctx := t.Context()
	require.NoError(t, c.db(0).CreateCollection(ctx, "people", 6))
	var lines bytes.Buffer
	for _, d := range people(t, n) {
		require.NoError(t, json.NewEncoder(&lines).Encode(d))
	}
	_, err := c.db(0).Import(ctx, "people", "error", &lines)
	require.NoError(t, err)
	state, err := readDocuments(ctx, c.db(1), "people")
	require.NoError(t, err)
	require.Equal(t, n, len(state["people"])) // Len would print them all
	return state
}

// transferred does an upload or download to its end.
func transferred(t testing.TB, c *cluster, command string, request map[string]any) {
	t.Helper()
	started := map[string]string{}
	require.NoError(t, c.clients[0].Backup(t.Context(), command, request, &started))
	eventually(t, 2*time.Minute, func() error {
		var st backup.TransferStatus
		// Another coordinator, the other endpoint: ids are interchangeable.
		require.NoError(t, c.clients[1].Backup(t.Context(), "upload", map[string]any{"downloadId": started[command+"Id"]}, &st))
		if !st.Finished() {
			return errors.New("not finished")
		}
		require.True(t, st.Completed(), "%+v", st)
		return nil
	})
}
