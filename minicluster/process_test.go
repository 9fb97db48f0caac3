package minicluster

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/stretchr/testify/require"
)

func newSafeLogger(out io.Writer) hclog.Logger {
	return hclog.New(&hclog.LoggerOptions{Output: out, Level: hclog.Info})
}

// program is a cluster of one agent whose program is this shell script.
func program(t *testing.T, script string) Options {
	t.Helper()
	o := options(t, InProcess)
	o.Mode, o.DBServers, o.Coordinators = Processes, 0, 0
	o.Program.Path = filepath.Join(t.TempDir(), "program")
	require.NoError(t, os.WriteFile(o.Program.Path, []byte("#!/bin/sh\n"+script), 0o755))
	return o
}

// A child that dies by itself is reported at once, with the end of its log.
func TestChildThatDies(t *testing.T) {
	c, err := Start(t.Context(), program(t, "for i in 1 2 3 4 5 6 7 8 9; do echo line $i; done\necho oh no >&2\nexit 3\n"))
	require.NoError(t, err)
	err = <-c.Err()
	require.ErrorContains(t, err, "agent-1 ended by itself: exit status 3")
	require.ErrorContains(t, err, "line 9\noh no")
	require.NotContains(t, err.Error(), "line 1\n")
	require.ErrorContains(t, c.Ready(t.Context()), "agent-1 ended by itself")
	err = c.Stop(t.Context())
	require.ErrorContains(t, err, "agent-1: ended by itself: exit status 3")
	require.ErrorContains(t, err, "oh no")
	require.NoError(t, c.Stop(t.Context()), "told once")
}

// A child that dies before the cluster is ready is named with its reason, also when it has
// been collected already.
func TestReasonOfTheDeadChild(t *testing.T) {
	o := program(t, "echo 'stasis: the disk is full' >&2\nexit 1\n")
	o.Degraded = true
	c, err := Start(t.Context(), o)
	require.NoError(t, err)
	require.Error(t, <-c.Err())
	_, _ = c.servers.agents[0].reap(t.Context()) // as the revival does, which may have been faster
	require.Nil(t, c.servers.agents[0].running())
	require.ErrorContains(t, c.Ready(t.Context()), "agent-1 ended by itself: exit status 1: the disk is full")
	require.Error(t, c.Stop(t.Context()))
}

// A child that ends without being told has failed, even if it says that all is well.
func TestChildThatEnds(t *testing.T) {
	c, err := Start(t.Context(), program(t, "exit 0\n"))
	require.NoError(t, err)
	require.ErrorContains(t, <-c.Err(), "exit status 0")
	require.Error(t, c.Stop(t.Context()))
}

// A child that says why it ends is quoted in one line.
func TestChildThatSaysWhy(t *testing.T) {
	c, err := Start(t.Context(), program(t, "echo INFO whatever\necho 'stasis: the disk is gone' >&2\nexit 1\n"))
	require.NoError(t, err)
	require.EqualError(t, <-c.Err(), "agent-1 ended by itself: exit status 1: the disk is gone")
	require.Error(t, c.Stop(t.Context()))
}

// A child that is killed from outside is reported and no longer listed as a process, but it
// is no failure of the cluster.
func TestChildThatIsKilled(t *testing.T) {
	c, err := Start(t.Context(), program(t, "trap '' TERM\necho up\nwhile :; do read x || :; done\n"))
	require.NoError(t, err)
	waitForLog(t, c, "agent-1", "up")
	agents, _, _ := c.Nodes()
	child, err := os.FindProcess(agents[0].PID)
	require.NoError(t, err)
	require.NoError(t, child.Kill())
	require.EqualError(t, <-c.Err(), "agent-1 was killed from outside: signal: killed")
	require.ErrorContains(t, c.Ready(t.Context()), "agent-1 was killed from outside")
	agents, _, _ = c.Nodes()
	require.Zero(t, agents[0].PID)
	require.NoError(t, c.Stop(t.Context()))
}

// A child that ignores SIGTERM is killed when the context ends.
func TestChildThatDoesNotStop(t *testing.T) {
	c, err := Start(t.Context(), program(t, "trap '' TERM\necho deaf\nwhile :; do read x || :; done\n"))
	require.NoError(t, err)
	waitForLog(t, c, "agent-1", "deaf")
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	begun := time.Now()
	require.ErrorContains(t, c.Stop(ctx), "agent-1: did not stop in time, killed")
	require.Less(t, time.Since(begun), time.Minute)
	require.Empty(t, c.Err())
}

func TestProgramThatDoesNotExist(t *testing.T) {
	o := program(t, "")
	o.Program.Path += "-not"
	_, err := Start(t.Context(), o)
	require.ErrorIs(t, err, os.ErrNotExist)
	require.ErrorContains(t, err, "start agent-1")
}

// The flags are the ones that the program has.
func TestCommandLines(t *testing.T) {
	c := &setup{options: Options{Dir: "/d"}, servers: &members{}}
	c.servers.agents = []*node{{name: "agent-1", role: "agent", id: "AGNT-1", at: site{address: "h:1"}}, {name: "agent-2", role: "agent", id: "AGNT-2", at: site{address: "h:2"}}}
	require.Equal(t, "agent --dir /d/agent-1 --name agent-1 --listen h:1 --exit-with-parent --log-file L --id AGNT-1 --peer AGNT-1=h:1 --peer AGNT-2=h:2",
		strings.Join(c.arguments(c.servers.agents[0], "L"), " "))
	c.options.Timing.LeaderGrace = time.Minute
	require.Contains(t, strings.Join(c.arguments(c.servers.agents[0], "L"), " "), "--leader-grace 1m0s")
	require.Equal(t, "dbserver --dir /d/dbserver-1 --name dbserver-1 --listen h:3 --exit-with-parent --log-file L --agency http://h:1,http://h:2",
		strings.Join(c.arguments(&node{name: "dbserver-1", role: "dbserver", at: site{address: "h:3"}}, "L"), " "))
}

func waitForLog(t *testing.T, c *Cluster, name, text string) {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(time.Minute); ; <-tick.C {
		raw, err := os.ReadFile(filepath.Join(c.options.Dir, logsDir, name+".log"))
		require.NoError(t, err)
		if strings.Contains(string(raw), text) {
			return
		}
		require.False(t, time.Now().After(deadline), "its log is still %q", raw)
	}
}

const (
	orphanDir    = "STASIS_TEST_ORPHAN_DIR"
	orphanBinary = "STASIS_TEST_ORPHAN_BINARY"
)

// startAndHang is this program run as the parent of a cluster of processes.
func startAndHang(dir string) {
	c, err := Start(context.Background(), Options{Dir: dir, Mode: Processes, Agents: 1, DBServers: 1, Coordinators: 1, Program: Program{Path: os.Getenv(orphanBinary)}})
	if err == nil {
		err = c.Ready(context.Background())
	}
	fmt.Println("ready:", err)
	select {}
}

// When the process that started a cluster is killed, its children end.
func TestChildrenEndWithTheirParent(t *testing.T) {
	t.Parallel()
	o := options(t, Processes)
	o.BasePort = 0
	parent := exec.Command(os.Args[0])
	parent.Env = append(os.Environ(), orphanDir+"="+o.Dir, orphanBinary+"="+o.Program.Path)
	out, err := parent.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, parent.Start())
	line, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err)
	require.Equal(t, "ready: <nil>\n", line)
	require.NoError(t, parent.Process.Signal(syscall.SIGKILL))
	require.Error(t, parent.Wait())

	// They have ended when the cluster can be started again.
	o.DBServers = 1
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(time.Minute); ; <-tick.C {
		c, err := Start(t.Context(), o)
		if err == nil {
			require.NoError(t, c.Ready(t.Context()))
			require.NoError(t, c.Stop(t.Context()))
			return
		}
		require.False(t, time.Now().After(deadline), "%v", err)
	}
}

// A process that is paused does nothing until it is resumed, and can be stopped as
// it is. What runs in this process cannot be paused.
func TestPause(t *testing.T) {
	t.Parallel()
	c := start(t, options(t, Processes))
	_, dbservers, _ := c.Nodes()
	b := browser{T: t, http: &http.Client{}}
	defer b.http.CloseIdleConnections()
	require.NoError(t, c.Pause("dbserver-1"))
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, "GET", dbservers[0].URL+"/_api/version", nil)
	require.NoError(t, err)
	_, err = b.http.Do(req)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.NoError(t, c.Resume("dbserver-1"))
	b.must("GET", dbservers[0].URL+"/_api/version", "")
	require.NoError(t, c.Pause("dbserver-2"))
	require.NoError(t, c.Stop(t.Context()), "a paused one stops as any other")
	require.ErrorContains(t, c.Pause("dbserver-2"), "does not run")
	require.ErrorContains(t, c.Resume("dbserver-7"), "no server")

	c = start(t, options(t, InProcess))
	require.ErrorIs(t, c.Pause("dbserver-1"), errNotPaused)
	require.ErrorIs(t, c.Resume("dbserver-1"), errNotPaused)
}
