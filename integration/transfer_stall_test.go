package integration

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stasis/agency/keys"
	"stasis/coordinator/backup"
	"stasis/minicluster"
)

// valve lies between a remote and its clients. While it is shut it takes connections
// and keeps those it has, and nothing goes through in any direction: a remote that is
// there and says nothing.
type valve struct {
	target string
	l      net.Listener
	work   sync.WaitGroup

	mu     sync.Mutex
	closed bool
	open   chan struct{} // closed while bytes may go through
	conns  []net.Conn
}

// newValve begins shut if there is no target.
func newValve(t *testing.T, target string) *valve {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	v := &valve{target: target, l: l, open: make(chan struct{})}
	if target != "" {
		close(v.open)
	}
	v.work.Go(v.serve)
	t.Cleanup(v.close)
	return v
}

func (v *valve) addr() string { return v.l.Addr().String() }

func (v *valve) shut() {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.open = make(chan struct{})
}

func (v *valve) unshut() {
	v.mu.Lock()
	defer v.mu.Unlock()
	close(v.open)
}

func (v *valve) close() {
	v.mu.Lock()
	v.closed = true
	for _, c := range v.conns {
		_ = c.Close() // may be closed already
	}
	select {
	case <-v.open:
	default:
		close(v.open)
	}
	v.mu.Unlock()
	_ = v.l.Close() // once
	v.work.Wait()
}

// keep remembers a connection; false when it is too late for that.
func (v *valve) keep(c net.Conn) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.closed {
		_ = c.Close() // it is not used
		return false
	}
	v.conns = append(v.conns, c)
	return true
}

func (v *valve) serve() {
	for {
		c, err := v.l.Accept()
		if err != nil {
			return
		}
		if v.keep(c) && v.target != "" {
			v.work.Go(func() { v.join(c) })
		}
	}
}

func (v *valve) join(c net.Conn) {
	to, err := net.Dial("tcp", v.target)
	if err != nil {
		_ = c.Close() // as the target does
		return
	}
	if v.keep(to) {
		v.work.Go(func() { v.copy(to, c) })
		v.copy(c, to)
	}
}

func (v *valve) copy(to, from net.Conn) {
	defer to.Close()
	buffer := make([]byte, 32<<10)
	for {
		n, err := from.Read(buffer)
		v.mu.Lock()
		open := v.open
		v.mu.Unlock()
		<-open
		if n > 0 {
			if _, werr := to.Write(buffer[:n]); werr != nil {
				_ = from.Close() // both ways end
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// atOnce is how long an abort, or a clean stop, may take although the remote is
// silent: far less than any of the times that a remote is given to answer.
const atOnce = 8 * time.Second

// silentRemotes are storages that take a connection and never say a word.
func silentRemotes(addr string) map[string]map[string]string {
	host, port, _ := strings.Cut(addr, ":")
	return map[string]map[string]string{
		"webdav": {"type": "webdav", "vendor": "other", "url": "http://" + addr},
		"s3":     {"type": "s3", "provider": "Other", "endpoint": "http://" + addr, "access_key_id": "a", "secret_access_key": "b"},
		"sftp":   {"type": "sftp", "host": host, "port": port, "user": "u", "pass": "KGYwZHbvXg39ndvnTk6Lk3NPDQ"},
		"ftp":    {"type": "ftp", "host": host, "port": port, "user": "u", "pass": "KGYwZHbvXg39ndvnTk6Lk3NPDQ"},
	}
}

// A remote that takes connections and says nothing, from the beginning: the transfer
// shows that it has begun, an abort ends it at once, and so does the end of the DB
// servers.
func TestSilentRemote(t *testing.T) {
	t.Parallel()
	o := options(t, minicluster.Processes)
	c := start(t, o)
	filled(t, c, 50)
	b := mustCreate(t, c, "silent")
	v := newValve(t, "")
	for kind, section := range silentRemotes(v.addr()) {
		t.Run(kind, func(t *testing.T) {
			if kind != "sftp" && os.Getenv("STASIS_SOAK") == "" { // sftp looks at no context
				t.Skip("takes longer: make soak")
			}
			remote := map[string]any{"id": b.ID, "remoteRepository": "r:bucket/" + kind, "config": map[string]any{"r": section}}
			for _, command := range []string{"upload", "download"} {
				id := begun(t, c, command, remote)
				if command == "upload" {
					waitStatus(t, c, id, keys.TransferStarted)
				}
				since := time.Now()
				abortTransfer(t, c, id)
				st := ended(t, c, id)
				requireEntries(t, st, keys.TransferCancelled)
				require.Less(t, time.Since(since), atOnce, "%s: the abort of the %s was not at once", kind, command)
			}
			id := begun(t, c, "upload", remote)
			waitStatus(t, c, id, keys.TransferStarted)
			require.NoError(t, c.Restart(t.Context(), "dbserver-1"), "it does not stop while a remote is silent")
			abortTransfer(t, c, id)
			requireEntries(t, ended(t, c, id), keys.TransferCancelled)
		})
	}
}

// begun starts a transfer and gives its id.
func begun(t *testing.T, c *cluster, command string, request map[string]any) string {
	t.Helper()
	started := map[string]string{}
	require.NoError(t, c.clients[0].Backup(t.Context(), command, request, &started))
	return started[command+"Id"]
}

func transferStatus(t *testing.T, c *cluster, id string) (st backup.TransferStatus, err error) {
	t.Helper()
	return st, c.clients[1].Backup(t.Context(), "upload", map[string]any{"uploadId": id}, &st)
}

// waitStatus waits until every part has this status.
func waitStatus(t *testing.T, c *cluster, id, want string) {
	t.Helper()
	eventually(t, time.Minute, func() error {
		st, err := transferStatus(t, c, id)
		if err != nil {
			return err
		}
		for server, e := range st.DBServers {
			if e.Status != want {
				return fmt.Errorf("%s is %s: %s", server, e.Status, e.ErrorMessage)
			}
		}
		return nil
	})
}

func abortTransfer(t *testing.T, c *cluster, id string) {
	t.Helper()
	require.NoError(t, c.clients[1].Backup(t.Context(), "upload", map[string]any{"uploadId": id, "abort": true}, &map[string]any{}))
}

// ended waits for a transfer's end.
func ended(t *testing.T, c *cluster, id string) (st backup.TransferStatus) {
	t.Helper()
	eventually(t, 3*time.Minute, func() (err error) {
		if st, err = transferStatus(t, c, id); err == nil && !st.Finished() {
			err = fmt.Errorf("not finished: %+v", st.DBServers)
		}
		return err
	})
	return st
}

func requireEntries(t *testing.T, st backup.TransferStatus, want string) {
	t.Helper()
	require.Len(t, st.DBServers, 3)
	for server, e := range st.DBServers {
		require.Equal(t, want, e.Status, "%s: %s", server, e.ErrorMessage)
	}
}

// A remote that falls silent in the middle of a file's content: progress says how far
// it came; an abort ends the transfer at once and leaves nothing here; a DB server
// ends cleanly and goes on when it is back and the remote speaks again.
func TestRemoteFallsSilent(t *testing.T) {
	t.Parallel()
	o := options(t, minicluster.Processes)
	r := newHeldRemote(t)
	v := newValve(t, strings.TrimPrefix(r.url, "http://"))
	c := start(t, o)
	require.NoError(t, c.db(0).CreateCollection(t.Context(), "filler", 6))
	for i := range 3 {
		require.NoError(t, fillBytes(t, c, i, 60))
		removeBackup(t, c, mustCreate(t, c, fmt.Sprint("flush", i)).ID)
	}
	for command, method := range map[string]string{"upload": http.MethodPut, "download": http.MethodGet} {
		t.Run(command, func(t *testing.T) {
			if command == "upload" && os.Getenv("STASIS_SOAK") == "" {
				t.Skip("takes longer: make soak")
			}
			b := mustCreate(t, c, "silenced-by-"+command)
			hashes := pieceHashes(t, o.Dir, b.ID)
			config := r.config()
			config["w"].(map[string]string)["url"] = "http://" + v.addr()
			remote := map[string]any{"id": b.ID, "remoteRepository": "w:" + command, "config": config, "transfers": 1}
			if command == "download" {
				r.hold(method, nil)
				transferred(t, c, "upload", remote)
				removeBackup(t, c, b.ID)
			}

			r.hold(method, hashes)
			id := begun(t, c, command, remote)
			silence(t, c, r, v, id)
			st, err := transferStatus(t, c, id)
			require.NoError(t, err)
			p := st.DBServers[victimOf(t, c)].Progress
			require.NotNil(t, p, "%+v", st)
			require.Positive(t, p.Done)
			require.Less(t, p.Done, p.Total)
			since := time.Now()
			abortTransfer(t, c, id)
			st = ended(t, c, id)
			require.Equal(t, keys.TransferCancelled, st.DBServers[victimOf(t, c)].Status)
			require.Less(t, time.Since(since), atOnce, "the abort was not at once")
			if command == "download" {
				eventually(t, atOnce, func() error { return noPending(o.Dir, "dbserver-1", b.ID) })
			}
			v.unshut()
			r.goOn()

			for name := range hashes { // an aborted upload has sent some; a download has thrown them away
				if _, err := os.Stat(filepath.Join(string(r.dir), command, "blobs", name[:1], name)); command == "upload" && err == nil {
					delete(hashes, name)
				}
			}
			r.hold(method, hashes)
			id = begun(t, c, command, remote)
			silence(t, c, r, v, id)
			require.NoError(t, c.Restart(t.Context(), "dbserver-1"), "it does not stop while the remote is silent")
			v.unshut()
			r.goOn()
			requireEntries(t, ended(t, c, id), keys.TransferCompleted)
			require.NoError(t, noPending(o.Dir, "dbserver-1", b.ID))
			removeBackup(t, c, b.ID)
		})
	}
}

// silence waits until the transfer is in its middle and has said so, and shuts the valve.
func silence(t *testing.T, c *cluster, r *heldRemote, v *valve, id string) {
	t.Helper()
	select {
	case <-r.reached:
	case <-time.After(time.Minute):
		st, err := transferStatus(t, c, id)
		require.Fail(t, "the transfer did not get to its middle", "%+v %v", st, err)
	}
	eventually(t, time.Minute, func() error {
		st, err := transferStatus(t, c, id)
		if err == nil && (st.DBServers[victimOf(t, c)].Progress == nil || st.DBServers[victimOf(t, c)].Progress.Done == 0) {
			err = errors.New("no progress")
		}
		return err
	})
	v.shut()
}

// noPending: nothing that is not whole is left of a backup in a server's directory.
func noPending(dir, server, id string) error {
	entries, err := os.ReadDir(filepath.Join(dir, server, "backups"))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), id) && e.Name() != id {
			return fmt.Errorf("%s has left %s", server, e.Name())
		}
	}
	return nil
}
