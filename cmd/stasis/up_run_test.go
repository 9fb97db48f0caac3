package main

import (
	"bytes"
	"context"
	"encoding/json"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// The ready file names processes that exist, and `up` ends cleanly when told to.
func TestReadyFile(t *testing.T) {
	t.Parallel()
	file, dir := filepath.Join(t.TempDir(), "ready.json"), t.TempDir()
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	root := rootCommand()
	var out, errOut bytes.Buffer
	root.SetOut(&out)
	root.SetErr(&errOut)
	root.SetArgs([]string{"up", "--agents", "1", "--dbservers", "0", "--coordinators", "0", "--base-port", "0", "--dir", dir, "--ready-file", file})
	ended := make(chan error, 1)
	go func() { ended <- root.ExecuteContext(ctx) }()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	var raw []byte
	for raw == nil {
		select {
		case err := <-ended:
			t.Fatal(err)
		case <-tick.C:
			raw, _ = os.ReadFile(file) // until it is there
		}
	}
	var ready map[string][]struct {
		ID, URL string
		PID     int
	}
	require.NoError(t, json.Unmarshal(raw, &ready))
	require.Len(t, ready["agents"], 1)
	require.Equal(t, os.Getpid(), ready["agents"][0].PID)
	require.Empty(t, ready["dbservers"])
	stop()
	require.NoError(t, <-ended)
	require.Empty(t, errOut.String())
}

// What cannot work is said before anything is started, and what helps.
func TestUpSaysWhatIsInTheWay(t *testing.T) {
	dir := t.TempDir()
	for _, file := range []string{filepath.Join(dir, "missing", "ready.json"), dir} {
		status, out, errOut := stasis("up", "--dir", filepath.Join(dir, "cluster"), "--base-port", "0", "--ready-file", file)
		require.Equal(t, 1, status)
		require.Empty(t, out)
		require.Contains(t, errOut, "--ready-file")
		require.NoDirExists(t, filepath.Join(dir, "cluster", "agent-1"))
	}
	require.DirExists(t, dir)

	taken, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer taken.Close()
	port := strconv.Itoa(taken.Addr().(*net.TCPAddr).Port)
	status, _, errOut := stasis("up", "--base-port", port)
	require.Equal(t, 1, status)
	require.Contains(t, errOut, "choose other ports with --base-port")
	status, _, errOut = stasis("single", "--port", port)
	require.Equal(t, 1, status)
	require.Contains(t, errOut, "choose other ports with --port")
}

// up is `stasis up` that runs beside the test.
type up struct {
	t           *testing.T
	out, errOut *safeBuffer
	stop        context.CancelFunc
	ended       chan error
}

// safeBuffer may be read while it is written.
type safeBuffer struct {
	mu  sync.Mutex
	all bytes.Buffer
}

func (b *safeBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.all.Write(p)
}

func (b *safeBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.all.String()
}

// startUp runs an agency of three in dir until it is stopped.
func startUp(t *testing.T, dir string, flags ...string) *up {
	ctx, stop := context.WithCancel(t.Context())
	u := &up{t: t, out: &safeBuffer{}, errOut: &safeBuffer{}, stop: stop, ended: make(chan error, 1)}
	root := rootCommand()
	root.SetOut(u.out)
	root.SetErr(u.errOut)
	root.SetArgs(append([]string{"up", "--agents", "3", "--dbservers", "0", "--coordinators", "0", "--base-port", "0", "--dir", dir}, flags...))
	go func() { u.ended <- root.ExecuteContext(ctx) }()
	t.Cleanup(stop)
	return u
}

func (u *up) await(in *safeBuffer, text string) {
	u.t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	late := time.After(time.Minute)
	for !strings.Contains(in.String(), text) {
		select {
		case err := <-u.ended:
			u.t.Fatalf("it has ended: %v", err)
		case <-late:
			u.t.Fatalf("no %q in %q", text, in.String())
		case <-tick.C:
		}
	}
}

// A cluster that exists starts without a broken agent, which is named with the reason; the exit
// status says that not all was well. Without a majority it does not start, and all are named.
func TestUpNamesTheBroken(t *testing.T) {
	t.Parallel()
	dir, file := t.TempDir(), filepath.Join(t.TempDir(), "ready.json")
	u := startUp(t, dir)
	u.await(u.out, "Ctrl-C")
	require.NotContains(t, u.out.String(), "BROKEN")
	u.stop()
	require.NoError(t, <-u.ended)

	damage := func(name string) {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name, "STASIS"), []byte("nonsense"), 0o600))
	}
	damage("agent-2")
	u = startUp(t, dir, "--ready-file", file, "--restart", "--log-level", "warn")
	u.await(u.out, "Ctrl-C")
	require.Regexp(t, `agent-2 +AGNT-\S+ +BROKEN: `, u.out.String())
	require.Contains(t, u.errOut.String(), "a server of the cluster cannot be started")
	u.await(u.errOut, "stasis: agent-2 is started again in 1s")
	u.await(u.errOut, "stasis: start agent-2: ")
	raw, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Equal(t, 2, strings.Count(string(raw), `"url"`))
	u.stop()
	require.ErrorContains(t, <-u.ended, "start agent-2: ")

	damage("agent-3")
	u = startUp(t, dir)
	err = <-u.ended
	require.ErrorContains(t, err, "1 of 3 agents run, 2 are needed")
	require.ErrorContains(t, err, "agent-2: ")
	require.ErrorContains(t, err, "agent-3: ")
	require.NotContains(t, u.out.String(), "Ready")
}

// What ends in a running cluster is told, with what it means.
func TestUpReportsEnds(t *testing.T) {
	require.Empty(t, withoutMajority(2, 3))
	require.Contains(t, withoutMajority(1, 3), "1 of 3 agents run, which is no majority")
	require.Contains(t, withoutMajority(0, 1), "no majority")
}

// The flags about log files are checked, passed on, and refused where there is no log file.
func TestLogFileFlags(t *testing.T) {
	dir := t.TempDir()
	for want, args := range map[string][]string{
		`--log-max-size 1K: want 64K or more`:                   {"up", "--dir", dir, "--mode", "processes", "--log-max-size", "1KiB"},
		`--log-max-size "many": want a number of bytes above 0`: {"up", "--dir", dir, "--mode", "processes", "--log-max-size", "many"},
		`--log-keep 0: want 1 to 1000`:                          {"up", "--dir", dir, "--mode", "processes", "--log-keep", "0"},
		`--log-keep is about the log files of`:                  {"up", "--dir", dir, "--log-keep", "3"},
		`--log-max-size needs --log-file`:                       {"agent", "--dir", dir, "--listen", "127.0.0.1:0", "--log-max-size", "1MiB"},
	} {
		status, _, errOut := stasis(args...)
		require.Equal(t, 1, status, want)
		require.Contains(t, errOut, want)
	}
}
