package integration

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stasis/agency/keys"
	"stasis/coordinator/backup"
	dbclient "stasis/dbserver/client"
	"stasis/internal/apierror"
	"stasis/minicluster"
)

// collision is a cluster with a transfer that is held in the middle of a DB server's
// piece, and what else is asked for meanwhile.
type collision struct {
	t      *testing.T
	c      *cluster
	r      *heldRemote
	b      backup.CreateResult
	hashes map[string]bool
	remote map[string]any
}

// held starts a transfer through the first coordinator, which is then held.
func (k *collision) held(command, method string) string {
	k.t.Helper()
	k.r.hold(method, k.hashes)
	id := begun(k.t, k.c, command, k.remote)
	select {
	case <-k.r.reached:
	case <-time.After(time.Minute):
		st, err := transferStatus(k.t, k.c, id)
		require.Fail(k.t, "the transfer did not get to its middle", "%+v %v", st, err)
	}
	return id
}

// other starts another transfer through the second coordinator, and gives the victim's part.
func (k *collision) other(command string, request map[string]any) (all backup.TransferStatus, victim backup.TransferServerStatus) {
	k.t.Helper()
	started := map[string]string{}
	require.NoError(k.t, k.c.clients[1].Backup(k.t.Context(), command, request, &started))
	all = ended(k.t, k.c, started[command+"Id"])
	return all, all.DBServers[victimOf(k.t, k.c)]
}

func (k *collision) through(id string) {
	k.t.Helper()
	k.r.goOn()
	requireEntries(k.t, ended(k.t, k.c, id), keys.TransferCompleted)
	for sum := range k.hashes {
		require.Equal(k.t, 1, k.r.times(sum), "%s went through more than once", sum)
	}
}

func (k *collision) listed() backup.Entry { return listBackups(k.t, k.c.clients[1])[k.b.ID] }

func (k *collision) atRemote() []dbclient.RemoteBackup {
	k.t.Helper()
	var list dbclient.RemoteResponse
	require.NoError(k.t, k.c.clients[1].Backup(k.t.Context(), "remote", map[string]any{
		"operation": "list", "id": k.b.ID, "remoteRepository": k.remote["remoteRepository"], "config": k.remote["config"],
	}, &list))
	return list.Backups
}

func (k *collision) verified() {
	k.t.Helper()
	var v backup.VerifyResult
	require.NoError(k.t, k.c.clients[1].Backup(k.t.Context(), "verify", map[string]any{"id": k.b.ID}, &v))
	require.True(k.t, v.Intact, "%v", v.Problems)
}

// elsewhere is the same transfer from or to another place.
func (k *collision) elsewhere(path string) map[string]any {
	return map[string]any{"id": k.b.ID, "remoteRepository": "w:" + path, "config": k.remote["config"], "transfers": 1}
}

// What is asked for while a transfer is in its middle: the same transfer through
// another coordinator conflicts and harms nothing; neither what is half at the remote
// nor what is half here can be used; a backup that is deleted under its upload is not
// at the remote; a restore of another one does not disturb.
func TestTransfersCollide(t *testing.T) {
	t.Parallel()
	o := options(t, minicluster.Processes)
	r := newHeldRemote(t)
	c := start(t, o)
	require.NoError(t, c.db(0).CreateCollection(t.Context(), "filler", 6))
	before := mustCreate(t, c, "before") // has nothing of what is downloaded later
	for i := range 3 {
		require.NoError(t, fillBytes(t, c, i, 60))
		removeBackup(t, c, mustCreate(t, c, fmt.Sprint("flush", i)).ID)
	}
	defer requirePrivate(t, o.Dir)
	k := &collision{t: t, c: c, r: r, b: mustCreate(t, c, "collide")}
	k.hashes = pieceHashes(t, o.Dir, k.b.ID)
	k.remote = map[string]any{"id": k.b.ID, "remoteRepository": "w:here", "config": r.config(), "transfers": 1}

	id := k.held("upload", http.MethodPut)
	k.conflicts("upload", k.remote)
	all, _ := k.other("download", k.remote)
	for server, e := range all.DBServers {
		// With or without pieces of others, which may have been done.
		require.Contains(t, []apierror.Num{apierror.BackupDownload, apierror.NoSuchBackup}, apierror.Num(e.Error), "%s: %s", server, e.ErrorMessage)
	}
	for _, b := range k.atRemote() {
		require.False(t, b.Complete, "half uploaded, and complete")
	}
	require.NoError(t, c.clients[1].Backup(t.Context(), "restore", map[string]any{"id": before.ID}, &backup.RestoreResult{}), "an upload does not disturb a restore")
	k.through(id)
	require.True(t, k.atRemote()[0].Complete)
	k.verified()

	if os.Getenv("STASIS_SOAK") == "" {
		return // the rest takes longer: make soak
	}
	for id := range listBackups(t, c.clients[1]) { // what a restore has kept too: a download takes from others what they have
		if id != before.ID {
			removeBackup(t, c, id)
		}
	}
	id = k.held("download", http.MethodGet)
	k.conflicts("download", k.remote)
	require.False(t, k.listed().Available, "half downloaded, and available")
	require.NoError(t, c.clients[1].Backup(t.Context(), "restore", map[string]any{"id": before.ID}, &backup.RestoreResult{}), "a download does not disturb a restore")
	require.Error(t, c.clients[1].Backup(t.Context(), "restore", map[string]any{"id": k.b.ID}, &backup.RestoreResult{}), "half downloaded, and restored")
	k.through(id)
	require.True(t, k.listed().Available)
	k.verified()

	k.remote = k.elsewhere("there")
	id = k.held("upload", http.MethodPut)
	removeBackup(t, c, k.b.ID)
	r.goOn()
	require.Equal(t, keys.TransferFailed, ended(t, c, id).DBServers[victimOf(t, c)].Status, "deleted under its upload")
	for _, b := range k.atRemote() {
		require.False(t, b.Complete, "deleted under its upload, and complete")
	}
	k.sameFromTwo(o.Dir)
}

// conflicts: the same once more, through the other coordinator, fails for the server
// that is held, by the name of the job that it would disturb.
func (k *collision) conflicts(command string, request map[string]any) {
	k.t.Helper()
	_, e := k.other(command, request)
	require.Equal(k.t, keys.TransferFailed, e.Status)
	require.EqualValues(k.t, apierror.BackupConflict, e.Error, e.ErrorMessage)
	require.Contains(k.t, e.ErrorMessage, "job ")
}

// sameFromTwo downloads a backup from one place while it comes from another: the
// second is refused, and a delete meanwhile does not tear it.
func (k *collision) sameFromTwo(dir string) {
	k.remote = k.elsewhere("here")
	id := k.held("download", http.MethodGet)
	section := k.remote["config"].(map[string]any)["w"]
	k.conflicts("download", map[string]any{"id": k.b.ID, "remoteRepository": "again:here", "config": map[string]any{"again": section}})
	ctx, cancel := context.WithTimeout(k.t.Context(), time.Minute)
	defer cancel()
	err := k.c.clients[1].Backup(ctx, "delete", map[string]any{"id": k.b.ID}, &map[string]any{}) // other servers may have theirs by now
	if err != nil {
		require.ErrorIs(k.t, err, apierror.NotFound)
	}
	k.r.goOn()
	requireEntries(k.t, ended(k.t, k.c, id), keys.TransferCompleted)
	require.NoError(k.t, noPending(dir, "dbserver-1", k.b.ID))
}
