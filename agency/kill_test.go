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
	"syscall"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/stretchr/testify/require"

	agencyclient "stasis/agency/client"
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
	config := Config{
		ID: id, Listen: peers[id], Peers: peers, Dir: dir, Network: network.TCP(),
		Logger: hclog.New(&hclog.LoggerOptions{Level: hclog.Warn}),
		// Short logs: who was away is sent a snapshot.
		Timing: Timing{Heartbeat: 250 * time.Millisecond, Election: 250 * time.Millisecond, SnapshotThreshold: 64, TrailingLogs: 16, SnapshotInterval: 100 * time.Millisecond},
	}
	a, err := Start(context.Background(), config)
	// While the agent was away another program may have taken its port for a while.
	for begin := time.Now(); errors.Is(err, syscall.EADDRINUSE) && time.Since(begin) < waitMax; a, err = Start(context.Background(), config) {
		pause(nil, 20*waitStep)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	fmt.Fprintln(os.Stderr, <-a.Err())
	return 1
}

// addressBook gives each process of this test an address of its own. Its ports are below those of outgoing
// connections, so that an agent that was away finds its own free.
type addressBook struct {
	mu   sync.Mutex
	next int
}

var addresses addressBook

func (b *addressBook) pick(t *testing.T) string {
	t.Helper()
	const lowest, count = 2000, 2000
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.next == 0 {
		b.next = rand.IntN(count)
	}
	for range count {
		b.next++
		address := fmt.Sprint("127.0.0.1:", lowest+b.next%count)
		if l, err := net.Listen("tcp", address); err == nil {
			require.NoError(t, l.Close())
			return address
		}
	}
	require.Fail(t, "no free port")
	return ""
}

// processes are three agents, each a process with a directory.
type processes struct {
	t     *testing.T
	dir   string
	peers map[string]string // id → host:port
	runs  map[string]*run
}

// run is one life of such a process.
type run struct {
	cmd   *exec.Cmd
	ended chan struct{} // closed when err is set
	err   error         // of its end
}

func newProcesses(t *testing.T, l diskLayout) *processes {
	p := &processes{t: t, dir: t.TempDir(), peers: map[string]string{}, runs: map[string]*run{}}
	for i := range 3 {
		p.peers[fmt.Sprintf("AGNT-%d", i)] = addresses.pick(t)
	}
	for _, id := range p.ids() {
		makeLayout(t, filepath.Join(p.dir, id), id, l)
		p.start(id)
	}
	t.Cleanup(func() {
		for _, r := range p.runs {
			_ = r.cmd.Process.Kill() // whatever state it is in
			<-r.ended
		}
	})
	return p
}

func (p *processes) ids() []string { return slices.Sorted(maps.Keys(p.peers)) }

func (p *processes) endpoints() (all []string) {
	for _, id := range p.ids() {
		all = append(all, "http://"+p.peers[id])
	}
	return all
}

func (p *processes) start(id string) {
	p.t.Helper()
	var peers []string
	for _, id := range p.ids() {
		peers = append(peers, id+"="+p.peers[id])
	}
	r := &run{cmd: exec.Command(os.Args[0]), ended: make(chan struct{})}
	r.cmd.Env = append(os.Environ(), agentDir+"="+filepath.Join(p.dir, id), agentID+"="+id, agentPeers+"="+strings.Join(peers, ","))
	out, err := os.OpenFile(p.logOf(id), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	require.NoError(p.t, err)
	r.cmd.Stdout, r.cmd.Stderr = out, out
	require.NoError(p.t, r.cmd.Start())
	require.NoError(p.t, out.Close())
	go func() { // ends with the process, which kill or the cleanup ends
		r.err = r.cmd.Wait()
		close(r.ended)
	}()
	p.runs[id] = r
}

func (p *processes) logOf(id string) string { return filepath.Join(p.dir, id+".log") }

func (p *processes) kill(id string) {
	r := p.runs[id]
	delete(p.runs, id)
	killed := r.cmd.Process.Kill()
	<-r.ended
	var exit *exec.ExitError
	if killed != nil || !errors.As(r.err, &exit) || exit.Exited() {
		require.Fail(p.t, id+" ended by itself", p.tell(id))
	}
}

// tell is what there is to know of an agent when a test has failed: how it ended,
// if it did, what it answers and the end of its log.
func (p *processes) tell(id string) string {
	var b strings.Builder
	if r := p.runs[id]; r != nil {
		select {
		case <-r.ended:
			fmt.Fprintf(&b, "%s has ended: %v\n", id, r.err)
		default:
			fmt.Fprintf(&b, "%s runs\n", id)
		}
	}
	ask := newCaller(network.TCP())
	defer ask.http.CloseIdleConnections()
	for _, call := range []string{"config", "state", "stores"} {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		r, err := ask.send(ctx, "GET", "http://"+p.peers[id]+"/_api/agency/"+call, "")
		cancel()
		fmt.Fprintf(&b, "%s: %.4000s (%v)\n", call, r, err)
	}
	lines, err := os.ReadFile(p.logOf(id))
	fmt.Fprintf(&b, "log: %s (%v)\n", lines[max(0, len(lines)-8000):], err)
	return b.String()
}

// TestKilled: agents are killed under load, one after the other, and come back. No
// acknowledged write is lost, none is applied twice, and the replicas agree.
func TestKilled(t *testing.T) {
	for _, l := range diskLayouts {
		t.Run(l.log, func(t *testing.T) {
			t.Parallel() // it mostly waits
			testKilled(t, l)
		})
	}
}

func testKilled(t *testing.T, l diskLayout) {
	rounds := 4
	if os.Getenv("STASIS_SOAK") != "" {
		rounds = 200
	}
	p := newProcesses(t, l)
	ids := p.ids()
	const clients = 8
	ctx, stop := context.WithCancel(t.Context())
	acknowledged, failed := make([]int64, clients), make([]error, clients)
	var load sync.WaitGroup
	for i := range clients {
		http := network.NewHTTPClient(network.TCP())
		c := agencyclient.New(agencyclient.Options{Endpoints: p.endpoints(), HTTP: http})
		load.Go(func() {
			defer http.CloseIdleConnections()
			for ctx.Err() == nil {
				one, cancel := context.WithTimeout(context.Background(), time.Minute)
				_, err := c.Write(one, agencyclient.Tx{Ops: map[string]any{fmt.Sprintf("/count/%d", i): agencyclient.Increment(1)}})
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
	p.checkCounts(acknowledged)
}

// checkCounts compares the tree with what was acknowledged, and every agent's own
// tree with the leader's.
func (p *processes) checkCounts(acknowledged []int64) {
	t := p.t
	http := network.NewHTTPClient(network.TCP())
	defer http.CloseIdleConnections()
	c := agencyclient.New(agencyclient.Options{Endpoints: p.endpoints(), HTTP: http})
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
	for id, address := range p.peers {
		same := func() bool {
			r, err := ask.send(t.Context(), "GET", "http://"+address+"/_api/agency/stores", "")
			return err == nil && strings.Contains(r.body, `"read_db":[`+root.String()+`]`)
		}
		if !eventually(p.runs[id].ended, same) {
			require.Fail(t, id+" differs from the leader", "the leader's: %s\n%s", root, p.tell(id))
		}
	}
}

// eventually says whether a condition comes true in time, and before ended.
func eventually(ended <-chan struct{}, condition func() bool) bool {
	for deadline := time.Now().Add(waitMax); time.Now().Before(deadline); pause(ended, 20*waitStep) {
		if condition() {
			return true
		}
		select {
		case <-ended:
			return false
		default:
		}
	}
	return false
}
