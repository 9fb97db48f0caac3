//go:build unix

package agency

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
	"github.com/stretchr/testify/require"

	agencyclient "stasis/agency/client"
	"stasis/internal/network"
)

// counters is the model of a tree of counters: an increment adds one exactly once,
// a read tells how many there were.
var counters = porcupine.Model{
	Partition: registers.Partition,
	Init:      func() any { return 0 },
	Step: func(state, input, output any) (bool, any) {
		if input.(register).write {
			return true, state.(int) + 1
		}
		return output.(string) == strconv.Itoa(state.(int)), state
	},
	DescribeOperation: func(input, output any) string {
		if in := input.(register); in.write {
			return in.key + "++"
		}
		return fmt.Sprintf("%s is %v", input.(register).key, output)
	},
}

// TestLinearizableProcesses: clients count while agents, which are processes, are
// killed and paused. They go on through whatever happens, and ask what became of a
// request that was not answered before they send it again, so every increment must be
// seen exactly once, from a moment on between its beginning and its end.
func TestLinearizableProcesses(t *testing.T) {
	t.Parallel() // it mostly waits
	long, harms := 1, 6
	if os.Getenv("STASIS_SOAK") != "" {
		long, harms = 5, 60
	}
	for range long {
		seed := uint64(time.Now().UnixNano())
		t.Logf("seed %d", seed)
		countUnderHarm(t, rand.New(rand.NewPCG(seed, 1)), harms)
	}
}

func countUnderHarm(t *testing.T, random *rand.Rand, harms int) {
	const clients = 12
	p := newProcesses(t, walFiles)
	r := &recorder{begin: time.Now(), fates: map[string]int{}}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	indices := make([][]uint64, clients)
	var wait sync.WaitGroup
	for i := range clients {
		mine := rand.New(rand.NewPCG(random.Uint64(), 2))
		c := counting{number: i, attempt: 250 * time.Millisecond, pause: 10, writes: true}
		if i%2 == 1 { // patient: comes to a paused leader after others have found the next one
			c = counting{number: i, attempt: 5 * time.Second, pause: 600}
		}
		wait.Go(func() { indices[i] = r.counter(ctx, p, c, mine) })
	}
	ids := p.ids()
	for range harms {
		pause(ctx.Done(), time.Duration(300+random.IntN(500))*time.Millisecond)
		id, away := ids[random.IntN(len(ids))], time.Duration(random.IntN(1500))*time.Millisecond
		if random.IntN(3) > 0 {
			id = p.leader(id)
		}
		if random.IntN(2) == 0 {
			p.kill(id)
			pause(ctx.Done(), away)
			p.start(id)
		} else {
			p.signal(id, syscall.SIGSTOP)
			pause(ctx.Done(), away)
			p.signal(id, syscall.SIGCONT)
		}
	}
	pause(ctx.Done(), time.Second)
	stop()
	wait.Wait()

	total, seen := int64(0), map[uint64]bool{}
	for _, mine := range indices {
		for i, index := range mine {
			require.False(t, seen[index], "index %d twice", index)
			require.True(t, i == 0 || index > mine[i-1], "indices go back")
			seen[index] = true
		}
		total += int64(len(mine))
	}
	t.Logf("%d increments, %v", total, r.fates)
	require.Positive(t, r.fates["read"])
	for _, id := range ids {
		if told := p.twice(id); told != "" {
			t.Errorf("%s: %s", id, told)
		}
	}
	r.explained(t, counters, r.all, 2*time.Minute, "counters")
}

func (p *processes) signal(id string, s syscall.Signal) {
	require.NoError(p.t, p.runs[id].cmd.Process.Signal(s))
}

// leader is who leads as far as an agent knows, that agent itself if it does not
// know or answer.
func (p *processes) leader(asked string) string {
	ctx, cancel := context.WithTimeout(p.t.Context(), 200*time.Millisecond)
	defer cancel()
	ask := newCaller(network.TCP())
	defer ask.http.CloseIdleConnections()
	var config struct{ LeaderID string }
	r, err := ask.send(ctx, "GET", "http://"+p.peers[asked]+"/_api/agency/config", "")
	if err != nil || decode(r, &config) != nil || config.LeaderID == "" {
		return asked
	}
	return config.LeaderID
}

// counting is how a client behaves.
type counting struct {
	number  int
	attempt time.Duration // how long one agent may take
	pause   int           // between two calls, ms, at most
	writes  bool
}

// counter increments and reads until ctx ends, and gives the indices of its increments.
func (r *recorder) counter(ctx context.Context, p *processes, how counting, random *rand.Rand) (indices []uint64) {
	http := network.NewHTTPClient(network.TCP())
	defer http.CloseIdleConnections()
	agents := map[string]string{}
	for id, address := range p.peers {
		agents[address] = id
	}
	http.Transport = telling{http.Transport, agents}
	c := agencyclient.New(agencyclient.Options{Endpoints: p.endpoints(), HTTP: http, AttemptTimeout: how.attempt})
	number := how.number
	for ; ctx.Err() == nil; pause(ctx.Done(), time.Duration(random.IntN(how.pause))*time.Millisecond) {
		op := register{key: fmt.Sprintf("counter%d", random.IntN(4)), write: how.writes && random.IntN(2) == 0}
		one, cancel := context.WithTimeout(context.Background(), time.Minute)
		one, made := r.told(one)
		call := time.Now()
		if op.write {
			index, err := c.Write(one, agencyclient.Tx{Ops: map[string]any{op.key: agencyclient.Increment(1)}})
			r.add(number, op, "", call, err == nil, made, index)
			if err != nil {
				r.count("unknown")
				number += 1000
			} else {
				indices = append(indices, index)
				r.count("applied")
			}
		} else if root, err := c.Read(one, op.key); err == nil {
			n, _ := root.At(op.key).Int() // 0 if it is not there yet
			r.add(number, op, strconv.FormatInt(n, 10), call, true, made)
			r.count("read")
		}
		cancel()
	}
	return indices
}
