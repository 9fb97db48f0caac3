package agency

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stasis/fsm"
	"stasis/internal/network"
)

// writeRate is how many writes per second some clients get through within d.
func writeRate(t testing.TB, url string, clients int, d time.Duration) float64 {
	c := newCaller(network.TCP())
	defer c.http.CloseIdleConnections()
	var done atomic.Int64
	end := time.Now().Add(d)
	var wait sync.WaitGroup
	for i := range clients {
		wait.Go(func() {
			body := fmt.Sprintf(`[[{"/k/%d":"%s"}]]`, i, strings.Repeat("v", 256))
			for time.Now().Before(end) {
				if r, err := c.send(context.Background(), http.MethodPost, url+"/_api/agency/write", body); err == nil && r.status == http.StatusOK {
					done.Add(1)
				}
			}
		})
	}
	wait.Wait()
	return float64(done.Load()) / d.Seconds()
}

// BenchmarkFollowers: what 100 followers cost the leader, as the ratio of its write
// rates with and without them. They share the machine with it, so their own part
// is in the ratio too.
func BenchmarkFollowers(b *testing.B) {
	a, err := Start(b.Context(), Config{Listen: "127.0.0.1:0", Dir: b.TempDir(), Logger: logger(b), Timing: Timing{Heartbeat: 50 * time.Millisecond, Election: 50 * time.Millisecond}})
	require.NoError(b, err)
	defer func() { require.NoError(b, a.Close(context.Background())) }()
	require.Eventually(b, a.IsLeader, waitMax, waitStep)
	with, without := 0.0, 0.0
	for b.Loop() {
		without += writeRate(b, a.URL(), 16, 2*time.Second)
		ctx, stop := context.WithCancel(b.Context())
		var followers sync.WaitGroup
		client := newCaller(network.TCP())
		for range 100 {
			followers.Go(func() { follow(ctx, client.http, a) })
		}
		with += writeRate(b, a.URL(), 16, 2*time.Second)
		stop()
		followers.Wait()
		client.http.CloseIdleConnections()
	}
	b.ReportMetric(with/without, "of-rate-alone")
}

// follow polls as a cache does, without looking at what it gets.
func follow(ctx context.Context, c *http.Client, a *Agent) {
	for next := a.tree.State().Index() + 1; ctx.Err() == nil; {
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, fmt.Sprintf("%s/_api/agency/poll?index=%d", a.URL(), next), nil)
		if err != nil {
			return
		}
		answer, err := c.Do(r)
		if err != nil {
			return
		}
		head := make([]byte, 96)
		n, _ := io.ReadFull(answer.Body, head)  // a short answer is told by n
		_, _ = io.Copy(io.Discard, answer.Body) // all of it
		_ = answer.Body.Close()                 // read to its end
		_, after, _ := strings.Cut(string(head[:n]), `"commitIndex":`)
		var commit uint64
		if _, err := fmt.Sscan(strings.FieldsFunc(after+" ", func(r rune) bool { return r < '0' || r > '9' })[0], &commit); err == nil {
			next = commit + 1
		}
	}
}

// TestSnapshotDoesNotDelayWrites: while a snapshot of very many keys is written,
// no write waits longer than a tenth of the election timeout because of it. The
// number of keys is a million in the soak.
func TestSnapshotDoesNotDelayWrites(t *testing.T) {
	keys := 50_000
	if os.Getenv("STASIS_SOAK") != "" {
		keys = 1_000_000
	}
	timing := Timing{Heartbeat: time.Second, Election: time.Second, SnapshotThreshold: 1 << 40, KeepLog: 100}
	s := alone(t, t.TempDir(), func(c *Config) { c.Timing = timing; c.MaxBodyBytes = 1 << 30 })
	for from := 0; from < keys; from += 10_000 {
		var ops strings.Builder
		for i := from; i < from+10_000; i++ {
			fmt.Fprintf(&ops, `,"/k/%d/%d":"%032d"`, i/1000, i%1000, i)
		}
		require.Equal(t, 200, s.post("write", "[[{"+ops.String()[1:]+"}]]").status)
	}
	longest := func(stop <-chan error) (all []time.Duration) {
		for {
			begin := time.Now()
			require.Equal(t, 200, s.post("write", `[[{"/x":{"op":"increment"}}]]`).status)
			all = append(all, time.Since(begin))
			select {
			case err := <-stop:
				require.NoError(t, err)
				return all
			default:
			}
		}
	}
	snapshot := make(chan error, 1)
	begin := time.Now()
	go func() { snapshot <- s.node.Raft.Snapshot().Error() }()
	during := longest(snapshot)
	// Timings do not decide here: the machine may be busy with other things.
	t.Logf("a snapshot of %d keys took %s; %d writes meanwhile, the slowest %s (a tenth of the election timeout is %s)",
		keys, time.Since(begin), len(during), slices.Max(during), timing.Election/10)
	shots, err := s.disk.Snapshots.List()
	require.NoError(t, err)
	require.Len(t, shots, 1)
	_, r, err := s.disk.Snapshots.Open(shots[0].ID)
	require.NoError(t, err)
	defer r.Close()
	state, err := fsm.ReadState(r)
	require.NoError(t, err)
	require.Equal(t, (keys+999)/1000, state.Root().At("/k").Len())
}

// BenchmarkLogs: the rate of writes on each layout, as the ratio to Bolt alone in the same
// run. They take turns.
func BenchmarkLogs(b *testing.B) {
	agents := map[string]*Agent{}
	for _, l := range diskLayouts {
		dir := b.TempDir()
		makeLayout(b, dir, "AGNT-x", l)
		a, err := Start(b.Context(), Config{Listen: "127.0.0.1:0", Dir: dir, Timing: Timing{DiskPatience: time.Minute}})
		require.NoError(b, err)
		defer func() { require.NoError(b, a.Close(context.Background())) }()
		require.Eventually(b, a.IsLeader, waitMax, waitStep)
		agents[l.log] = a
	}
	clients := []int{1, 64}
	rates := map[string]float64{}
	for b.Loop() {
		for _, n := range clients {
			for name, a := range agents {
				rates[fmt.Sprint(name, "/", n)] += writeRate(b, a.URL(), n, time.Second)
			}
		}
	}
	for _, n := range clients {
		for name := range agents {
			b.ReportMetric(rates[fmt.Sprint(name, "/", n)]/rates[fmt.Sprint(boltFiles.log, "/", n)], fmt.Sprintf("%s-%d-of-bolt", name, n))
		}
	}
}
