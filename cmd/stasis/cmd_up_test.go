package main

import (
	"bytes"
	"context"
	"encoding/json"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// The ready file names processes that exist, and `up` ends cleanly when told to.
func TestReadyFile(t *testing.T) {
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
