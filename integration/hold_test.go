package integration

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	agencyclient "stasis/agency/client"
	"stasis/agency/keys"
	"stasis/coordinator/backup"
	dbclient "stasis/dbserver/client"
	"stasis/event"
	"stasis/fault"
	"stasis/internal/network"
	"stasis/minicluster"
)

// pulse writes documents one after the other, to all shards, and notes how long the
// longest write took.
type pulse struct {
	longest atomic.Int64
	group   sync.WaitGroup
	cancel  context.CancelFunc
	mu      sync.Mutex
	failed  error
}

func startPulse(ctx context.Context, put func(ctx context.Context, key string) error) *pulse {
	ctx, cancel := context.WithCancel(ctx)
	p := &pulse{cancel: cancel}
	p.group.Go(func() {
		for n := 0; ctx.Err() == nil; n++ {
			begun := time.Now()
			if err := put(ctx, fmt.Sprintf("p%d", n)); err != nil && ctx.Err() == nil {
				p.mu.Lock()
				p.failed = errors.Join(p.failed, err)
				p.mu.Unlock()
				return
			}
			p.longest.Store(max(p.longest.Load(), int64(time.Since(begun))))
			select {
			case <-time.After(20 * time.Millisecond):
			case <-ctx.Done():
			}
		}
	})
	return p
}

func (p *pulse) stop(t *testing.T) time.Duration {
	t.Helper()
	p.cancel()
	p.group.Wait()
	require.NoError(t, p.failed)
	return time.Duration(p.longest.Load())
}

// A coordinator that stops, or is cut off from some or all DB servers, in one direction
// or both, while it asks for the gates, holds them, cuts or opens them: no write through
// another coordinator takes longer than a second.
func TestCutOffCoordinatorHoldsUpNobodyForLong(t *testing.T) {
	faults := map[string]func(b *bubble){
		"stopped":           func(b *bubble) { b.net.Freeze("coordinator-1") },
		"cut off":           func(b *bubble) { b.net.Isolate("coordinator-1") },
		"cut off from one":  func(b *bubble) { b.cut("coordinator-1", []string{"dbserver-2"}, true, true) },
		"not heard by one":  func(b *bubble) { b.cut("coordinator-1", []string{"dbserver-2"}, true, false) },
		"hears one no more": func(b *bubble) { b.cut("coordinator-1", []string{"dbserver-2"}, false, true) },
	}
	// Each fault, and each step, but not every fault at every step: make soak does that.
	few := map[string]event.Name{
		"stopped": event.Locked, "cut off": event.CutDone, "cut off from one": event.Locked, "not heard by one": event.LockAttempt, "hears one no more": event.CutDone,
	}
	for what, strike := range faults {
		for _, at := range []event.Name{event.LockAttempt, event.Locked, event.CutDone} {
			if few[what] != at && os.Getenv("STASIS_SOAK") == "" {
				continue
			}
			t.Run(what+", "+string(at), func(t *testing.T) { cutOff(t, at, strike) })
		}
	}
}

func cutOff(t *testing.T, at event.Name, strike func(*bubble)) {
	inBubble(t, 1, func(b *bubble) {
		ctx := b.t.Context()
		require.NoError(b.t, createReplicated(ctx, b.clients[0], "wide", 9, 1, 1))
		struck := b.on(fault.Moment{Step: at, Operation: keys.OperationCreate}, func() { strike(b) })
		var writes []*pulse
		for i := range 2 {
			writes = append(writes, startPulse(ctx, func(ctx context.Context, key string) error {
				return b.clients[1].Database("").Put(ctx, "wide", map[string]any{"_key": fmt.Sprint(i, key)})
			}))
		}
		answer := make(chan error, 1)
		go func() {
			answer <- b.clients[0].Backup(ctx, "create", map[string]any{"label": "x", "timeout": 20}, &backup.CreateResult{})
		}()
		time.Sleep(4 * time.Second)
		longest := time.Duration(0)
		for _, w := range writes {
			longest = max(longest, w.stop(b.t))
		}
		require.True(b.t, isDone(struck))
		require.LessOrEqual(b.t, longest, time.Second)
		b.t.Logf("longest write %v", longest)
		b.net.HealAll()
		b.net.Thaw("coordinator-1")
		b.net.Rejoin("coordinator-1")
		<-answer
		b.await(time.Minute, func() error {
			if root := tree(b.t, b.agency, keys.HotBackup); root.At("Create").Exists() {
				return errors.New("the lock is left")
			}
			return nil
		})
		require.NoError(b.t, b.clients[1].Backup(ctx, "create", map[string]any{"label": "next"}, &backup.CreateResult{}))
	})
}

// TestHoldGateProcess is no test but the process of a coordinator that holds a gate, for
// the test below, which starts it.
func TestHoldGateProcess(t *testing.T) {
	url := os.Getenv("STASIS_HOLD_GATE")
	if url == "" {
		return
	}
	web := network.NewHTTPClient(network.TCP())
	err := dbclient.New(web).GateLock(context.Background(), dbclient.Target{URL: url},
		dbclient.GateLockRequest{ID: "b", Nonce: "n", Attempt: 1, WindowSeconds: 60, LeaseSeconds: 300},
		func(dbclient.GateLockResponse) { fmt.Println("HELD") })
	fmt.Println("ENDED", err)
	web.CloseIdleConnections()
}

// A process that holds the gate of a DB server is stopped, or killed: the gate opens
// because of that, and long before any lease ends. How long writers waited is logged: on
// a real clock, and a loaded machine, it decides nothing.
func TestGateOfADeadProcessOpens(t *testing.T) {
	t.Parallel()
	o := options(t, minicluster.Processes)
	o.DBServers = 1
	c := start(t, o)
	ctx := t.Context()
	require.NoError(t, c.db(0).CreateCollection(ctx, "c", 1))
	agents, dbservers, _ := c.Nodes()
	web := network.NewHTTPClient(network.TCP())
	t.Cleanup(web.CloseIdleConnections)
	holdLock(t, web, agents[0].URL)
	dbs, to := dbclient.New(web), dbclient.Target{URL: dbservers[0].URL}
	for _, row := range []struct {
		signal os.Signal
		reason string
	}{{sigStop, "no beat of the coordinator"}, {os.Kill, "its "}} {
		holder := holdGate(t, dbservers[0].URL)
		require.NoError(t, holder.Process.Signal(row.signal))
		begun := time.Now()
		require.NoError(t, c.db(0).Put(ctx, "c", map[string]any{"_key": strings.ReplaceAll(fmt.Sprint(row.signal), " ", "-")}), "it waits for the gate")
		t.Logf("%v: a write waited for %v", row.signal, time.Since(begun).Round(time.Millisecond))
		require.NoError(t, errors.Join(ignoreDone(holder.Process.Signal(sigCont))))
		report, err := dbs.GateRelease(ctx, to, dbclient.GateReleaseRequest{ID: "b", Nonce: "n", Attempt: 1})
		require.NoError(t, err)
		require.False(t, report.Unbroken)
		require.Contains(t, report.Reason, row.reason)
		require.Less(t, report.HeldSeconds, 290.0, "not the lease")
		_ = holder.Process.Kill()
		_ = holder.Wait()
		// The next one is another attempt of a coordinator, whose nonce is new.
		_, err = dbs.GateRelease(ctx, to, dbclient.GateReleaseRequest{ID: "b", Nonce: "n", Final: true})
		require.NoError(t, err)
		require.NoError(t, c.Kill("dbserver-1"))
		require.NoError(t, c.Restart(ctx, "dbserver-1"))
		require.NoError(t, c.Ready(ctx))
	}
}

// holdLock takes the agency lock as a coordinator does, for the nonce of the gate that is
// held below: a DB server closes its gate for no other.
func holdLock(t *testing.T, web *http.Client, agent string) {
	t.Helper()
	_, err := agencyclient.New(agencyclient.Options{Endpoints: []string{agent}, HTTP: web}).Write(t.Context(), agencyclient.Tx{
		Ops: map[string]any{
			keys.HotBackupCreate: time.Now().UTC().Format(time.RFC3339),
			keys.HotBackupHolder: keys.Holder{ID: "b", Operation: keys.OperationCreate, Nonce: "n", LeaseSeconds: 3600},
		},
		Pre: map[string]any{keys.HotBackupCreate: agencyclient.OldEmpty(true)},
	})
	require.NoError(t, err)
}

func ignoreDone(err error) error {
	if errors.Is(err, os.ErrProcessDone) {
		return nil
	}
	return err
}

// holdGate starts a process that holds the gate, and returns when it does.
func holdGate(t *testing.T, url string) *exec.Cmd {
	t.Helper()
	holder := exec.Command(os.Args[0], "-test.run=^TestHoldGateProcess$", "-test.v")
	holder.Env = append(os.Environ(), "STASIS_HOLD_GATE="+url)
	out, err := holder.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, holder.Start())
	t.Cleanup(func() { _ = holder.Process.Kill(); _ = holder.Wait() })
	buffer, seen := make([]byte, 4096), ""
	for !strings.Contains(seen, "HELD") {
		n, err := out.Read(buffer)
		seen += string(buffer[:n])
		require.NoError(t, err, seen)
	}
	return holder
}
