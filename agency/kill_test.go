package agency

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/stretchr/testify/require"

	"stasis/agency/client"
	"stasis/internal/network"
)

// What a process that is an agent is told in its environment.
const (
	agentDir   = "STASIS_TEST_AGENT_DIR"
	agentID    = "STASIS_TEST_AGENT_ID"
	agentPeers = "STASIS_TEST_AGENT_PEERS"
)

// serveAgent is the whole life of such a process.
func serveAgent(dir string) int {
	peers := map[string]string{}
	for _, p := range strings.Split(os.Getenv(agentPeers), ",") {
		id, address, _ := strings.Cut(p, "=")
		peers[id] = address
	}
	id := os.Getenv(agentID)
	a, err := Start(context.Background(), Config{
		ID: id, Listen: peers[id], Peers: peers, Dir: dir, Network: network.TCP(),
		Logger: hclog.New(&hclog.LoggerOptions{Level: hclog.Warn}),
		Timing: Timing{Heartbeat: 250 * time.Millisecond, Election: 250 * time.Millisecond, SnapshotThreshold: 256, TrailingLogs: 64, SnapshotInterval: 500 * time.Millisecond},
	})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	fmt.Fprintln(os.Stderr, <-a.Err())
	return 1
}

// processes are three agents, each a process with a directory.
type processes struct {
	t     *testing.T
	dir   string
	peers map[string]string
	runs  map[string]*exec.Cmd
}

func (p *processes) start(id string) {
	p.t.Helper()
	var peers []string
	for _, id := range slices.Sorted(maps.Keys(p.peers)) {
		peers = append(peers, id+"="+p.peers[id])
	}
	run := exec.Command(os.Args[0])
	run.Env = append(os.Environ(), agentDir+"="+filepath.Join(p.dir, id), agentID+"="+id, agentPeers+"="+strings.Join(peers, ","))
	out, err := os.OpenFile(filepath.Join(p.dir, id+".log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	require.NoError(p.t, err)
	run.Stdout, run.Stderr = out, out
	require.NoError(p.t, run.Start())
	require.NoError(p.t, out.Close())
	p.runs[id] = run
}

func (p *processes) kill(id string) {
	require.NoError(p.t, p.runs[id].Process.Kill())
	var exit *exec.ExitError
	require.ErrorAs(p.t, p.runs[id].Wait(), &exit)
	require.False(p.t, exit.Exited(), "%s ended by itself, see %s", id, p.dir)
	delete(p.runs, id)
}

// TestKilled: agents are killed under load, one after the other, and come back. No
// acknowledged write is lost, none is applied twice, and the replicas agree.
func TestKilled(t *testing.T) {
	rounds := 4
	if os.Getenv("STASIS_SOAK") != "" {
		rounds = 200
	}
	p := &processes{t: t, dir: t.TempDir(), peers: map[string]string{}, runs: map[string]*exec.Cmd{}}
	var endpoints []string
	for i := range 3 {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		p.peers[fmt.Sprintf("AGNT-%d", i)] = l.Addr().String()
		endpoints = append(endpoints, "http://"+l.Addr().String())
		require.NoError(t, l.Close())
	}
	ids := slices.Sorted(maps.Keys(p.peers))
	for _, id := range ids {
		p.start(id)
	}
	t.Cleanup(func() {
		for _, run := range p.runs {
			_ = run.Process.Kill() // whatever state it is in
			_ = run.Wait()
		}
	})
	const clients = 8
	ctx, stop := context.WithCancel(t.Context())
	acknowledged, failed := make([]int64, clients), make([]error, clients)
	var load sync.WaitGroup
	for i := range clients {
		http := network.NewHTTPClient(network.TCP())
		c := client.New(client.Options{Endpoints: endpoints, HTTP: http})
		load.Go(func() {
			defer http.CloseIdleConnections()
			for ctx.Err() == nil {
				one, cancel := context.WithTimeout(context.Background(), time.Minute)
				_, err := c.Write(one, client.Tx{Ops: map[string]any{fmt.Sprintf("/count/%d", i): client.Increment(1)}})
				cancel()
				if failed[i] = err; err != nil {
					return
				}
				acknowledged[i]++
			}
		})
	}
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	for range rounds {
		pause(ctx.Done(), time.Duration(random.IntN(600))*time.Millisecond)
		id := ids[random.IntN(len(ids))]
		p.kill(id)
		pause(ctx.Done(), time.Duration(random.IntN(900))*time.Millisecond)
		p.start(id)
	}
	pause(ctx.Done(), time.Second)
	stop()
	load.Wait()
	require.NoError(t, errors.Join(failed...))
	checkCounts(t, endpoints, acknowledged)
}

// checkCounts compares the tree with what was acknowledged, and every agent's own
// tree with the leader's.
func checkCounts(t *testing.T, endpoints []string, acknowledged []int64) {
	http := network.NewHTTPClient(network.TCP())
	defer http.CloseIdleConnections()
	c := client.New(client.Options{Endpoints: endpoints, HTTP: http})
	root, err := c.Read(t.Context(), "/")
	require.NoError(t, err)
	total := int64(0)
	for i, want := range acknowledged {
		got, ok := root.At(fmt.Sprintf("/count/%d", i)).Int()
		require.True(t, ok)
		require.Equal(t, want, got, "client %d: lost or doubled", i)
		total += got
	}
	require.Positive(t, total)
	t.Logf("%d writes acknowledged", total)
	ask := newCaller(network.TCP())
	defer ask.http.CloseIdleConnections()
	for _, e := range endpoints {
		require.Eventually(t, func() bool {
			r, err := ask.send(t.Context(), "GET", e+"/_api/agency/stores", "")
			return err == nil && strings.Contains(r.body, `"read_db":[`+root.String()+`]`)
		}, waitMax, 20*waitStep, "%s differs from the leader", e)
	}
}
