package main

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stasis/agency"
	"stasis/internal/network"
)

// drill is an agency in this process whose agents have data directories that can be lost.
type drill struct {
	t         *testing.T
	dir       string
	addresses map[string]string // id → host:port
	running   map[string]*agency.Agent
}

func newDrill(t *testing.T, ids ...string) *drill {
	d := &drill{t: t, dir: t.TempDir(), addresses: map[string]string{}, running: map[string]*agency.Agent{}}
	for _, id := range ids {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		d.addresses[id] = l.Addr().String()
		require.NoError(t, l.Close())
	}
	t.Cleanup(func() {
		for id := range d.running {
			d.stop(id)
		}
	})
	return d
}

func (d *drill) path(id string) string { return filepath.Join(d.dir, id) }

func (d *drill) start(id string, join ...string) {
	d.t.Helper()
	c := agency.Config{ID: id, Listen: d.addresses[id], Dir: d.path(id), Network: network.TCP(), Join: join, Timing: agency.Timing{Heartbeat: 200 * time.Millisecond, Election: 200 * time.Millisecond}}
	if len(join) == 0 {
		c.Peers = d.addresses
	}
	a, err := agency.Start(d.t.Context(), c)
	require.NoError(d.t, err)
	d.running[id] = a
}

func (d *drill) stop(id string) {
	d.t.Helper()
	now, cancel := context.WithCancel(context.Background())
	cancel()
	require.NoError(d.t, d.running[id].Close(now))
	delete(d.running, id)
}

// lose stops an agent and takes its directory away.
func (d *drill) lose(id string) {
	d.t.Helper()
	d.stop(id)
	require.NoError(d.t, os.RemoveAll(d.path(id)))
}

// call runs stasis agency, at an agent.
func (d *drill) call(at string, args ...string) (out, errOut string, status int) {
	var o, e bytes.Buffer
	where := []string{"agency", "--agent", d.addresses[at], "--timeout", "20s"}
	if slices.Contains(args, "--dir") { // works on a directory
		where = where[:1]
	}
	status = run(append(where, args...), strings.NewReader(""), &o, &e)
	return o.String(), e.String(), status
}

func (d *drill) must(at string, args ...string) string {
	d.t.Helper()
	out, errOut, status := d.call(at, args...)
	require.Zero(d.t, status, errOut)
	return out
}

// voters waits until so many agents vote.
func (d *drill) voters(at string, want int) {
	d.t.Helper()
	require.Eventually(d.t, func() bool {
		out, _, status := d.call(at, "members", "--json")
		return status == 0 && strings.Count(out, `"voter": true`) == want
	}, time.Minute, 50*time.Millisecond)
}

// TestRecoveryDrill: the drill of the README: two of three directories are lost, and the agency
// goes on from the third; then all are lost, and it goes on from a saved file.
func TestRecoveryDrill(t *testing.T) {
	t.Parallel()
	d := newDrill(t, "AGNT-a", "AGNT-b", "AGNT-c")
	for id := range d.addresses {
		d.start(id)
	}
	d.must("AGNT-a", "write", `{"/x":"acknowledged"}`)
	d.voters("AGNT-a", 3)
	file := filepath.Join(d.dir, "saved")
	require.Contains(t, d.must("AGNT-a", "snapshot", "save", file), "incarnation 1, index 1,")
	info, err := os.Stat(file)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	require.Contains(t, d.must("AGNT-a", "read", "/x"), "acknowledged")
	require.Eventually(t, func() bool { // also agent a has it
		out := d.must("AGNT-a", "members", "--json")
		return strings.Count(out, `"lag": 0`) == 3
	}, time.Minute, 50*time.Millisecond)

	d.lose("AGNT-b")
	d.lose("AGNT-c")
	_, errOut, status := d.call("AGNT-b", "recover", "--dir", d.path("AGNT-a"))
	require.NotZero(t, status)
	require.Contains(t, errOut, "in use")
	// Agent a may lead until it notices that it is alone. If b came back before, a would have its
	// majority again.
	require.Eventually(t, func() bool {
		_, _, status := d.call("AGNT-a", "--timeout", "1s", "members")
		return status != 0
	}, time.Minute, 50*time.Millisecond)
	d.start("AGNT-b")
	_, errOut, status = d.call("AGNT-b", "--timeout", "8s", "members")
	require.NotZero(t, status)
	require.Contains(t, errOut, `AGNT-b says: this agent has nothing, but there is an agency, and it has no leader`)
	require.Contains(t, errOut, `stasis agency recover`)
	d.stop("AGNT-a")
	dry := d.must("AGNT-a", "recover", "--dir", d.path("AGNT-a"), "--dry-run")
	require.Contains(t, dry, "its tree is at index 1, last changed")
	require.Contains(t, dry, "Nothing was changed")
	done := d.must("AGNT-a", "recover", "--dir", d.path("AGNT-a"))
	require.Contains(t, done, "only member now, of incarnation 2")
	require.Contains(t, done, "What may be lost")
	d.start("AGNT-a")
	require.Contains(t, d.must("AGNT-a", "read", "/x"), "acknowledged")
	d.start("AGNT-c", d.addresses["AGNT-a"])
	d.voters("AGNT-a", 3)

	for id := range d.addresses {
		d.lose(id)
	}
	require.NoError(t, os.WriteFile(file+".damaged", append([]byte(nil), []byte("STASIS")...), 0o600))
	_, errOut, status = d.call("AGNT-a", "snapshot", "restore", file+".damaged", "--dir", d.path("AGNT-a"))
	require.NotZero(t, status)
	require.Contains(t, errOut, "not a whole snapshot")
	require.NoDirExists(t, d.path("AGNT-a"))
	require.Contains(t, d.must("AGNT-a", "snapshot", "restore", file, "--dir", d.path("AGNT-a"), "--id", "AGNT-a", "--incarnation", "3"), "incarnation 3")
	d.start("AGNT-a")
	d.start("AGNT-b", d.addresses["AGNT-a"])
	d.start("AGNT-c", d.addresses["AGNT-a"])
	d.voters("AGNT-a", 3)
	d.stop("AGNT-a")
	require.Contains(t, d.must("AGNT-b", "read", "/x"), "acknowledged")
	require.Equal(t, fmt.Sprintln(2<<40+1), d.must("AGNT-b", "write", `{"/y":1}`))
}

// What does nothing is refused, and says why.
func TestFlagsThatDoNothingAreRefused(t *testing.T) {
	for _, row := range []struct {
		args []string
		says string
	}{
		{[]string{"agency", "--timeout", "9s", "recover", "--dir", t.TempDir()}, "--timeout: this command works on a directory"},
		{[]string{"agency", "--agent", "127.0.0.1:1", "snapshot", "restore", "file", "--dir", t.TempDir()}, "--agent: this command works on a directory"},
		{[]string{"agent", "--dir", t.TempDir(), "--listen", "127.0.0.1:0", "--bootstrap"}, "--bootstrap needs --peer and excludes --join"},
		{[]string{"agent", "--dir", t.TempDir(), "--listen", "127.0.0.1:0", "--bootstrap", "--join", "127.0.0.1:1"}, "--bootstrap needs --peer and excludes --join"},
	} {
		var out, errOut bytes.Buffer
		require.Equal(t, 1, run(row.args, strings.NewReader(""), &out, &errOut))
		require.Contains(t, errOut.String(), row.says)
	}
}
