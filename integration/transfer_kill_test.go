package integration

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stasis/agency/keys"
	"stasis/coordinator/backup"
	"stasis/minicluster"
)

// victims of one round: names of the processes that get SIGKILL in the middle of a
// transfer. The first coordinator is the one that was asked, and has the configuration.
var transferVictims = []struct {
	name  string
	kill  []string
	again bool // the job may end FAILED: who could hand the configuration on is dead too
}{
	{"dbserver", []string{"dbserver-1"}, false},
	{"coordinator", []string{"coordinator-1"}, false},
	{"both", []string{"dbserver-1", "coordinator-1"}, true},
	{"leader", []string{leader}, false},
}

// leader stands for the agent that leads.
const leader = "the agency's leader"

// SIGKILL in the middle of an upload and of a download: a DB server, the coordinator
// that was asked, both, the agency's leader. A job whose configuration somebody still has completes; one
// whose has nobody ends FAILED, says that it can be started again, and completes then.
// Nothing half-downloaded is listed or restored.
func TestKillDuringTransfer(t *testing.T) {
	if os.Getenv("STASIS_SOAK") == "" {
		t.Skip("minutes long, since it waits for transfers that are slow on purpose: make soak")
	}
	o := options(t, minicluster.Processes)
	r := newRemote(t, &o)
	c := start(t, o)
	require.NoError(t, c.db(0).CreateCollection(t.Context(), "filler", 6))
	for i := range 4 { // each backup flushes: several tables
		require.NoError(t, fillBytes(t, c, i, 1000))
		mustCreate(t, c, fmt.Sprint("flush", i))
	}
	for _, v := range transferVictims {
		t.Run(v.name, func(t *testing.T) {
			b := mustCreate(t, c, v.name)
			remote := map[string]any{"id": b.ID, "remoteRepository": r.path + "/" + v.name, "config": r.config}
			up := killedAmidst(t, c, "upload", remote, v.kill, v.again)
			p := up.DBServers[victimOf(t, c)].Progress
			t.Logf("the last job sent %d bytes of %d", p.BytesMoved, p.BytesTotal)
			require.LessOrEqual(t, p.BytesMoved, p.BytesTotal)
			require.NoError(t, c.clients[1].Backup(t.Context(), "delete", map[string]any{"id": b.ID}, &map[string]any{}))
			killedAmidst(t, c, "download", remote, v.kill, v.again)
			var verified backup.VerifyResult
			require.NoError(t, c.clients[1].Backup(t.Context(), "verify", map[string]any{"id": b.ID}, &verified))
			require.True(t, verified.Intact, "%v", verified.Problems)
		})
	}
	nothingKept(t, c, o)
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

// fillBytes imports documents of a kilobyte that do not compress.
func fillBytes(t *testing.T, c *cluster, round, n int) error {
	t.Helper()
	var lines bytes.Buffer
	for i := range n {
		value := make([]byte, 500)
		_, _ = rand.NewChaCha8([32]byte{byte(round), byte(i), byte(i >> 8)}).Read(value)
		if err := json.NewEncoder(&lines).Encode(map[string]any{"_key": fmt.Sprintf("%d-%d", round, i), "v": hex.EncodeToString(value)}); err != nil {
			return err
		}
	}
	_, err := c.db(0).Import(t.Context(), "filler", "error", &lines)
	return err
}

// killedAmidst starts a transfer, slowly, kills when the victim has something under
// way, starts the dead again, and sees the transfer through.
func killedAmidst(t *testing.T, c *cluster, command string, remote map[string]any, kill []string, again bool) backup.TransferStatus {
	t.Helper()
	slow := map[string]any{"bytesPerSecond": 500_000, "transfers": 1}
	for k, v := range remote {
		slow[k] = v
	}
	started := map[string]string{}
	require.NoError(t, c.clients[0].Backup(t.Context(), command, slow, &started))
	id := started[command+"Id"]
	look := func() (st backup.TransferStatus, err error) {
		return st, c.clients[1].Backup(t.Context(), command, map[string]any{command + "Id": id}, &st)
	}
	eventually(t, time.Minute, func() error {
		st, err := look()
		if e := st.DBServers[victimOf(t, c)]; err == nil && (e.Status != keys.TransferStarted || e.Progress == nil || e.Progress.BytesMoved == 0) {
			err = fmt.Errorf("nothing moves yet: %+v", e)
		}
		return err
	})
	dead := make([]string, 0, len(kill))
	for _, name := range kill {
		if name == leader {
			name = leaderName(t, c)
		}
		require.NoError(t, c.Kill(name))
		dead = append(dead, name)
	}
	if command == "download" {
		require.NotContains(t, listBackups(t, c.clients[1]), remote["id"], "half-downloaded and listed")
		err := c.clients[1].Backup(t.Context(), "restore", map[string]any{"id": remote["id"]}, &backup.RestoreResult{})
		require.Error(t, err, "half-downloaded and restored")
	}
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
	if !again {
		require.True(t, st.Completed(), "%+v", st)
		return st
	}
	e := st.DBServers[victimOf(t, c)]
	require.Equal(t, keys.TransferFailed, e.Status, "nobody has the configuration: %+v", e)
	require.Contains(t, e.ErrorMessage, "start the transfer again: it goes on where it was")
	return transferredAgain(t, c, command, remote)
}

// transferredAgain starts a transfer anew and waits for its end.
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
