package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stasis/client"
	"stasis/fault/control"
	"stasis/internal/atonce"
)

// asProgram makes this test's binary the program: `stasis up` then starts its servers with it.
const asProgram = "STASIS_TEST_AS_PROGRAM"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		main()
		return
	}
	atonce.Clusters()
	os.Exit(m.Run())
}

// tour is a cluster of processes that takes faults, and a person who breaks it.
type tour struct {
	t       *testing.T
	up      *exec.Cmd
	out     *safeBuffer
	dir     string
	ended   chan error
	backups string // the --endpoint of a coordinator
}

// tourLimit bounds each wait: a loaded machine is slow.
const tourLimit = 2 * time.Minute

func startTour(t *testing.T) *tour {
	t.Setenv("TMPDIR", t.TempDir()) // where commands look for the only cluster
	program, err := os.Executable()
	require.NoError(t, err)
	r := &tour{t: t, out: &safeBuffer{}, dir: t.TempDir(), ended: make(chan error, 1)}
	r.up = exec.Command(program, "up", "--lab", "--mode", "processes", "--agents", "1", "--dbservers", "2", "--coordinators", "1", "--base-port", "0", "--dir", r.dir)
	r.up.Env = append(os.Environ(), asProgram+"=1")
	r.up.Stdout, r.up.Stderr = r.out, r.out
	require.NoError(t, r.up.Start())
	go func() { r.ended <- r.up.Wait() }()
	t.Cleanup(func() { _ = r.up.Process.Kill() }) // it has ended unless the test failed; its servers end with it
	r.until("the cluster is ready", func() bool { return strings.Contains(r.out.String(), "Ctrl-C stops") })
	return r
}

// until waits for something that comes by itself.
func (r *tour) until(what string, is func() bool) {
	r.t.Helper()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	late := time.After(tourLimit)
	for !is() {
		select {
		case err := <-r.ended:
			r.t.Fatalf("up has ended before %s: %v\n%s", what, err, r.out.String())
		case <-late:
			r.t.Fatalf("it never came: %s\n%s", what, r.out.String())
		case <-tick.C:
		}
	}
}

// does runs a command that works, and gives what it prints.
func (r *tour) does(command string) string {
	r.t.Helper()
	status, out, errOut := stasis(strings.Fields(command)...)
	require.Zero(r.t, status, "stasis %s: %s%s", command, out, errOut)
	return out
}

// fails runs a command that does not work, and gives what it says.
func (r *tour) fails(command string) string {
	r.t.Helper()
	status, out, errOut := stasis(strings.Fields(command)...)
	require.Equal(r.t, 1, status, "stasis %s: %s", command, out)
	return out + errOut
}

func (r *tour) nodes() map[string]control.Node {
	r.t.Helper()
	var list struct{ Nodes []control.Node }
	require.NoError(r.t, json.Unmarshal([]byte(r.does("node list --json")), &list))
	nodes := map[string]control.Node{}
	for _, n := range list.Nodes {
		nodes[n.Name] = n
	}
	return nodes
}

// met counts how often rules were met, as a list in JSON says.
func (r *tour) met(command string) (met int) {
	r.t.Helper()
	_, out, _ := stasis(strings.Fields(command + " --json")...) // a server that is paused does not say what it has
	var list control.Answer
	require.NoError(r.t, json.Unmarshal([]byte(out), &list))
	for _, rule := range list.Rules {
		met += rule.Met
	}
	return met
}

// A person breaks a running cluster from another terminal: each fault happens, is shown with how often it was met, and heals. Ctrl-C ends all of it
// with a paused server and a disk that hangs.
func TestBreakARunningCluster(t *testing.T) {
	r := startTour(t)
	nodes := r.nodes()
	require.Len(t, nodes, 4)
	r.backups = " --endpoint " + nodes["coordinator-1"].URL
	for _, name := range []string{"agent-1", "dbserver-1", "coordinator-1"} {
		n := nodes[name]
		require.Equal(t, filepath.Join(r.dir, name), n.Dir)
		require.Regexp(t, fmt.Sprintf(`(?m)^%s +%s .*\b%d +tcp://127.0.0.1:%d .*%s`, name, n.ID, n.PID, n.Port, n.Dir), r.does("status"+r.backups))
	}
	r.write(nodes["coordinator-1"].URL)
	r.cutAndHeal()
	r.holdAStep()
	r.breakDisks()
	r.killAndRestart()

	r.does("disk hang dbserver-2")
	r.until("the disk hangs", func() bool { return r.met("disk list") > 0 })
	r.does("node pause dbserver-1")
	require.Equal(t, control.Paused, r.nodes()["dbserver-1"].State)
	require.Contains(t, r.fails("disk hang dbserver-1"), "dbserver-1 is paused: it takes no orders until it is resumed")
	require.Contains(t, r.fails("net list"), "not all rules are known: dbserver-1 is paused")
	require.Contains(t, r.does("step hold published"), "but not at dbserver-1: dbserver-1 is paused")
	r.ends()
}

// write makes a collection with documents, so that agents and DB servers have something to sync.
func (r *tour) write(url string) {
	r.t.Helper()
	c, err := client.New(url, client.Options{})
	require.NoError(r.t, err)
	ctx, cancel := context.WithTimeout(r.t.Context(), tourLimit)
	defer cancel()
	require.NoError(r.t, c.Database("_system").CreateCollectionAs(ctx, "tour", client.Layout{Shards: 2, ReplicationFactor: 2, WriteConcern: 1}))
	for i := range 10 {
		_, err := c.Database("_system").Insert(ctx, "tour", map[string]int{"n": i})
		require.NoError(r.t, err)
	}
}

func (r *tour) cutAndHeal() {
	require.Contains(r.t, r.fails("net cut dbserver-1 coordinator-9"), `there is no server "coordinator-9": there are agent-1, dbserver-1`)
	r.does("net cut dbserver-1 coordinator-1")
	said := r.fails("backup create --label cut" + r.backups)
	require.Contains(r.t, said, "DB server dbserver-1 (PRMR-")
	require.Contains(r.t, said, "does not answer")
	require.Positive(r.t, r.met("net list"), "the cut was met")
	require.Contains(r.t, r.does("net heal"), "network: healed (2 rules)")
	require.Contains(r.t, r.does("net list"), "no rules")
	require.Contains(r.t, r.does("backup create --label healed"+r.backups), "Backup succeeded")
}

func (r *tour) holdAStep() {
	require.Contains(r.t, r.fails("step hold nonsense"), `no operation has a step "nonsense"`)
	r.does("step hold cut --on dbserver-1 --label held")
	created := make(chan string, 1)
	go func() {
		_, out, errOut := stasis(strings.Fields("backup create --label held" + r.backups)...)
		created <- out + errOut
	}()
	r.until("the cut is held", func() bool { return r.met("step list") > 0 })
	require.Contains(r.t, r.does("step list"), "_held at dbserver-1")
	require.Regexp(r.t, "released: 1, of which (1 held an operation|0 held an operation; 1 had ended by itself)", r.does("step release")) // a cut has a limit
	require.Contains(r.t, <-created, "{backup}")                                                                                          // how long the hold was decides what became of the backup
	require.Contains(r.t, r.does("step list"), "nothing is held")
}

func (r *tour) breakDisks() {
	r.does("disk slow agent-1 1ms")
	r.does("disk slow dbserver-1 1ms")
	require.Contains(r.t, r.does("backup create --label slow"+r.backups), "Backup succeeded")
	require.Regexp(r.t, `slow agent-1 by 1ms +[1-9]`, r.does("disk list"))
	require.Regexp(r.t, `slow dbserver-1 by 1ms +[1-9]`, r.does("disk list"))
	require.Contains(r.t, r.does("disk heal"), "healed (2 rules)")
}

func (r *tour) killAndRestart() {
	was := r.nodes()["dbserver-1"]
	r.does("node kill dbserver-1")
	require.Equal(r.t, control.Killed, r.nodes()["dbserver-1"].State)
	require.ErrorIs(r.t, syscall.Kill(was.PID, 0), syscall.ESRCH)
	require.Contains(r.t, r.fails("node pause dbserver-1"), "it does not run")
	r.until("up says so", func() bool {
		return strings.Contains(r.out.String(), "dbserver-1 was killed, as was ordered: it stays down")
	})
	require.Contains(r.t, r.does("node restart "+was.ShortName), "dbserver-1 ("+was.ID+") was started and serves")
	require.NotEqual(r.t, was.PID, r.nodes()["dbserver-1"].PID)
	r.does("node pause " + was.ID)
	r.does("node resume dbserver-1")
}

// ends is Ctrl-C: nothing is left.
func (r *tour) ends() {
	nodes := r.nodes()
	require.NoError(r.t, r.up.Process.Signal(os.Interrupt))
	select {
	case err := <-r.ended:
		require.NoError(r.t, err, r.out.String())
	case <-time.After(tourLimit):
		r.t.Fatalf("it does not end:\n%s", r.out.String())
	}
	for name, n := range nodes {
		require.ErrorIs(r.t, syscall.Kill(n.PID, 0), syscall.ESRCH, "%s is left", name)
	}
	sockets, err := filepath.Glob(filepath.Join(r.dir, "*", ".lab", "*"))
	require.NoError(r.t, err)
	require.Empty(r.t, sockets)
	require.Contains(r.t, r.fails("node list"), `no "stasis up" runs as this user`)
	require.Contains(r.t, r.fails("node list --dir "+r.dir), `no "stasis up" runs the cluster in`)
}
