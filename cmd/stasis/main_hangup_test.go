//go:build unix

package main

import (
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// A terminal that is closed ends a command in good order: runs of the lab leave no half folder.
func TestHangupEndsInOrder(t *testing.T) {
	program, err := os.Executable()
	require.NoError(t, err)
	file, out := filepath.Join(t.TempDir(), "long.yaml"), filepath.Join(t.TempDir(), "out")
	require.NoError(t, os.WriteFile(file, []byte("load: [bank: {pace: 10ms}]\nlasts: 15m\ndo: [at 14m: heal]\n"), 0o600))
	hangup := make(chan os.Signal, 1) // what is started ignores no signal that this process takes; under nohup it would
	signal.Notify(hangup, syscall.SIGHUP)
	defer signal.Stop(hangup)
	cmd := exec.Command(program, "lab", "run", file, "--out", out)
	cmd.Env = append(os.Environ(), asProgram+"=1")
	said := &safeBuffer{}
	cmd.Stdout, cmd.Stderr = said, said
	require.NoError(t, cmd.Start())
	r := &tour{t: t, out: said, ended: make(chan error, 1)}
	go func() { r.ended <- cmd.Wait() }()
	t.Cleanup(func() { _ = cmd.Process.Kill() }) // it has ended unless the test failed
	r.until("the load runs", func() bool { return strings.Contains(said.String(), "the load runs") })
	require.NoError(t, cmd.Process.Signal(syscall.SIGHUP))
	require.Error(t, <-r.ended)
	require.Contains(t, said.String(), "interrupted: 0 of 1 runs were made")
	require.NoDirExists(t, out)
}
