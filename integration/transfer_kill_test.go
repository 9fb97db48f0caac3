package integration

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stasis/agency/keys"
	"stasis/coordinator/backup"
	"stasis/dbserver/backup/piece"
	"stasis/minicluster"
)

// victims of one round: names of the processes that get SIGKILL in the middle of a
// transfer. The first coordinator is the one that was asked, and has the configuration.
var transferVictims = []struct {
	name  string
	kill  []string
	again bool // the job may end FAILED: who could hand the configuration on is dead too
	soak  bool // only then
}{
	{"dbserver", []string{"dbserver-1"}, false, false},
	{"coordinator", []string{"coordinator-1"}, false, false},
	{"both", []string{"dbserver-1", "coordinator-1"}, true, true},
	{"leader", []string{leader}, false, true},
}

// leader stands for the agent that leads.
const leader = "the agency's leader"

// SIGKILL in the middle of an upload and of a download, when half of a DB server's
// files are through and the next one has begun: that DB server, the coordinator that
// was asked, both, the agency's leader. A job whose configuration a server still has
// completes. A job whose configuration is lost ends FAILED, reports that it can be started again, and
// completes then. What was through does not go through again. Nothing half-downloaded
// is available or restored.
func TestKillDuringTransfer(t *testing.T) {
	t.Parallel()
	o := options(t, minicluster.Processes)
	r := newHeldRemote(t)
	c := start(t, o)
	require.NoError(t, c.db(0).CreateCollection(t.Context(), "filler", 6))
	for i := range 3 { // each backup flushes: several tables
		require.NoError(t, fillBytes(t, c, i, 60))
		removeBackup(t, c, mustCreate(t, c, fmt.Sprint("flush", i)).ID)
	}
	for _, v := range transferVictims {
		t.Run(v.name, func(t *testing.T) {
			if v.soak && os.Getenv("STASIS_SOAK") == "" {
				t.Skip("takes longer: make soak")
			}
			b := mustCreate(t, c, v.name)
			hashes := pieceHashes(t, o.Dir, b.ID)
			remote := map[string]any{"id": b.ID, "remoteRepository": "w:" + v.name, "config": r.config(), "transfers": 1}
			r.hold(http.MethodPut, hashes)
			killedAmidst(t, c, r, "upload", remote, v.kill, v.again)
			removeBackup(t, c, b.ID)
			r.hold(http.MethodGet, hashes)
			killedAmidst(t, c, r, "download", remote, v.kill, v.again)
			var verified backup.VerifyResult
			require.NoError(t, c.clients[1].Backup(t.Context(), "verify", map[string]any{"id": b.ID}, &verified))
			require.True(t, verified.Intact, "%v", verified.Problems)
			removeBackup(t, c, b.ID)
		})
	}
	nothingKept(t, c, o)
}

// removeBackup deletes a local backup: a download takes from others what they have.
func removeBackup(t *testing.T, c *cluster, id string) {
	t.Helper()
	require.NoError(t, c.clients[1].Backup(t.Context(), "delete", map[string]any{"id": id}, &map[string]any{}))
}

// pieceHashes are the hashes of what is in the piece of the DB server that is killed and
// in no other's.
func pieceHashes(t *testing.T, dir, id string) map[string]bool {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(dir, "dbserver-*", "backups", id, "MANIFEST.json"))
	require.NoError(t, err)
	require.Len(t, found, 3)
	hashes, others := map[string]bool{}, map[string]bool{}
	for _, path := range found {
		data, err := os.ReadFile(path)
		require.NoError(t, err)
		var m piece.Manifest
		require.NoError(t, json.Unmarshal(data, &m))
		into := others
		if strings.HasPrefix(path, filepath.Join(dir, "dbserver-1")+"/") {
			into = hashes
		}
		for _, f := range m.Files {
			into[f.SHA256] = true
		}
	}
	maps.DeleteFunc(hashes, func(sum string, _ bool) bool { return others[sum] })
	require.Greater(t, len(hashes), 3, "too few files: the test proves too little")
	return hashes
}

// victimOf is the id of the DB server that is killed.
func victimOf(t *testing.T, c *cluster) string {
	t.Helper()
	_, servers, _ := c.Nodes()
	for _, s := range servers {
		if s.Name == "dbserver-1" {
			return s.ID
		}
	}
	require.Fail(t, "no dbserver-1")
	return ""
}

// leaderName is the name of the agent that leads.
func leaderName(t *testing.T, c *cluster) string {
	t.Helper()
	id := status(t, c.clients[1]).Leader
	agents, _, _ := c.Nodes()
	for _, a := range agents {
		if a.ID == id {
			return a.Name
		}
	}
	require.Fail(t, "no leader", id)
	return ""
}

// fillBytes imports documents of 100 KB that do not compress.
func fillBytes(t *testing.T, c *cluster, round, n int) error {
	t.Helper()
	var lines bytes.Buffer
	for i := range n {
		value := make([]byte, 50_000)
		_, _ = rand.NewChaCha8([32]byte{byte(round), byte(i), byte(i >> 8)}).Read(value)
		if err := json.NewEncoder(&lines).Encode(map[string]any{"_key": fmt.Sprintf("%d-%d", round, i), "v": hex.EncodeToString(value)}); err != nil {
			return err
		}
	}
	_, err := c.db(0).Import(t.Context(), "filler", "error", &lines)
	return err
}

// killedAmidst starts a transfer, kills when the remote holds it, starts the dead again,
// and sees the transfer through.
func killedAmidst(t *testing.T, c *cluster, r *heldRemote, command string, remote map[string]any, kill []string, again bool) {
	t.Helper()
	started := map[string]string{}
	require.NoError(t, c.clients[0].Backup(t.Context(), command, remote, &started))
	id := started[command+"Id"]
	look := func() (st backup.TransferStatus, err error) {
		return st, c.clients[1].Backup(t.Context(), command, map[string]any{command + "Id": id}, &st)
	}
	select {
	case <-r.reached:
	case <-time.After(time.Minute):
		st, err := look()
		require.Fail(t, "the transfer did not get to its middle", "%+v %v", st, err)
	}
	dead := make([]string, 0, len(kill))
	for _, name := range kill {
		if name == leader {
			name = leaderName(t, c)
		}
		require.NoError(t, c.Kill(name))
		dead = append(dead, name)
	}
	if command == "download" {
		listed := listBackups(t, c.clients[1])[remote["id"].(string)] // maybe: other servers may have theirs
		require.False(t, listed.Available, "half-downloaded and available: %+v", listed)
		err := c.clients[1].Backup(t.Context(), "restore", map[string]any{"id": remote["id"]}, &backup.RestoreResult{})
		require.Error(t, err, "half-downloaded and restored")
	}
	done := r.goOn()
	for _, name := range dead {
		require.NoError(t, c.Restart(t.Context(), name))
	}
	var st backup.TransferStatus
	eventually(t, 2*time.Minute, func() (err error) {
		if st, err = look(); err == nil && !st.Finished() {
			err = fmt.Errorf("not finished: %+v", st.DBServers)
		}
		return err
	})
	if again {
		e := st.DBServers[victimOf(t, c)]
		require.Equal(t, keys.TransferFailed, e.Status, "no server has the configuration: %+v", e)
		require.Contains(t, e.ErrorMessage, "start the transfer again: it continues where it stopped")
		st = transferredAgain(t, c, command, remote)
	}
	require.True(t, st.Completed(), "%+v", st)
	through := 0
	for sum, of := range done {
		if of {
			through++
			require.Equal(t, 1, r.times(sum), "%s was through before the kill, and went through again", sum)
		}
	}
	require.Positive(t, through, "nothing was through before the kill: the test proves too little")
	t.Logf("%s: %d files were through before the kill", command, through)
}

// transferredAgain starts a transfer once more and waits for its end.
func transferredAgain(t *testing.T, c *cluster, command string, remote map[string]any) (st backup.TransferStatus) {
	t.Helper()
	started := map[string]string{}
	require.NoError(t, c.clients[0].Backup(t.Context(), command, remote, &started))
	eventually(t, time.Minute, func() error {
		if err := c.clients[1].Backup(t.Context(), command, map[string]any{command + "Id": started[command+"Id"]}, &st); err != nil {
			return err
		}
		if !st.Finished() {
			return errors.New("not finished")
		}
		return nil
	})
	require.True(t, st.Completed(), "%+v", st)
	return st
}
