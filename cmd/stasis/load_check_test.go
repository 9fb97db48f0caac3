package main

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stasis/client"
)

// beginLoad runs a load until it is told to end.
func beginLoad(t *testing.T, args ...string) (out *safeBuffer, end func() error) {
	ctx, stop := context.WithCancel(t.Context())
	out = &safeBuffer{}
	root := rootCommand()
	root.SetOut(out)
	root.SetErr(out)
	root.SetArgs(append([]string{"load"}, args...))
	ended := make(chan error, 1)
	go func() { ended <- root.ExecuteContext(ctx) }()
	return out, func() error { stop(); return <-ended }
}

// grown waits until a history has grown by so many lines.
func grown(t *testing.T, path string, more int) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	late := time.After(2 * time.Minute)
	lines := func() int {
		raw, _ := os.ReadFile(path) // it may not be there yet
		return strings.Count(string(raw), "\n")
	}
	for goal := lines() + more; lines() < goal; {
		select {
		case <-late:
			t.Fatalf("the history has %d lines, want %d", lines(), goal)
		case <-tick.C:
		}
	}
}

// A user loads a cluster, breaks it, takes a backup, and checks both. What was removed behind the load's back is missing.
func TestLoadAndCheck(t *testing.T) {
	t.Parallel()
	dir, tmp := t.TempDir(), t.TempDir()
	ready, file := filepath.Join(tmp, "ready.json"), filepath.Join(tmp, "chain.history")
	u := startUp(t, dir, "--agents", "1", "--dbservers", "3", "--coordinators", "2", "--ready-file", ready)
	u.await(u.out, "Ctrl-C")
	var servers struct{ Coordinators []struct{ URL string } }
	require.Eventually(t, func() bool {
		raw, err := os.ReadFile(ready)
		return err == nil && json.Unmarshal(raw, &servers) == nil
	}, time.Minute, 20*time.Millisecond, "the ready file is not written")
	url := servers.Coordinators[0].URL
	ok := func(want int, text string, args ...string) string {
		t.Helper()
		status, out, errOut := stasis(args...)
		require.Equal(t, want, status, "%s%s", out, errOut)
		require.Contains(t, out+errOut, text)
		return out
	}

	edn := filepath.Join(tmp, "chain.edn")
	out, end := beginLoad(t, "chain", "--endpoint", url, "--clients", "3", "--pace", "5ms", "--history", file, "--export", edn)
	grown(t, file, 100)
	ok(0, "is killed", "node", "kill", "dbserver-2", "--dir", dir)
	ok(0, "serves", "node", "restart", "dbserver-2", "--dir", dir)
	grown(t, file, 100)
	var made client.CreateResult
	require.NoError(t, json.Unmarshal([]byte(ok(0, "", "backup", "create", "--endpoint", url, "--json")), &made))
	grown(t, file, 100)
	ok(2, "a load still writes it", "check", file, "--endpoint", url)
	ok(0, "it is the state of one instant", "check", file, "--backup", made.ID, "--dir", dir)
	ok(1, "is there: check it with", "load", "chain", "--endpoint", url, "--history", file)
	require.NoError(t, end(), "a signal ends it cleanly")
	require.Contains(t, out.String(), "stasis check")
	require.Contains(t, out.String(), "exported: elle-cli --model rw-register "+edn+"\n")
	exported, err := os.ReadFile(edn)
	require.NoError(t, err)
	require.Contains(t, string(exported), `:value [[:w "0-1" "0.1"]]}`)

	again := filepath.Join(tmp, "again.edn")
	ok(0, "the cluster, by the history of chain", "check", file, "--endpoint", url, "--export", again)
	same, err := os.ReadFile(again)
	require.NoError(t, err)
	require.Equal(t, string(exported), string(same))
	ok(2, "again.edn is there: remove it", "check", file, "--endpoint", url, "--export", again)
	ok(2, "want a name that ends with .edn or .json", "check", file, "--export", "x.txt")
	c, err := client.New(url, client.Options{})
	require.NoError(t, err)
	require.NoError(t, c.Database("").Remove(t.Context(), client.Ref{Collection: "lab-chain", Key: "0-1"}))
	ok(1, "VIOLATED chain: missing: ", "check", file, "--endpoint", url)
	ok(0, "writes are there", "check", file, "--backup", made.ID, "--dir", dir)
	var all []checked
	require.NoError(t, json.Unmarshal([]byte(ok(1, "", "check", file, "--endpoint", url, "--json")), &all))
	require.Len(t, all, 1)
	require.NotEmpty(t, all[0].Problems)
	require.NoError(t, c.Database("").DropCollection(t.Context(), "lab-chain"))
	ok(1, "the collection lab-chain is not there", "check", file, "--endpoint", url)
	u.stop()
	require.NoError(t, <-u.ended)
	ok(2, "no coordinator listens", "check", file, "--endpoint", url)
	ok(0, "writes are there", "check", file, "--backup", made.ID, "--dir", dir) // the files are enough
	require.NoError(t, os.RemoveAll(filepath.Join(dir, "dbserver-3", "backups", made.ID)))
	ok(2, "nothing is known of what is in it", "check", file, "--backup", made.ID, "--dir", dir)
}
