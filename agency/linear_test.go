package agency

import (
	"context"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
	"github.com/stretchr/testify/require"

	"stasis/agency/outcome"
)

// register is one operation on one key: a read, or a write of a unique value.
type register struct {
	key   string
	write bool
	value string
}

// registers is the model: every key is a register of its own.
var registers = porcupine.Model{
	Partition: func(history []porcupine.Operation) [][]porcupine.Operation {
		byKey := map[string][]porcupine.Operation{}
		for _, o := range history {
			key := o.Input.(register).key
			byKey[key] = append(byKey[key], o)
		}
		var parts [][]porcupine.Operation
		for _, part := range byKey {
			parts = append(parts, part)
		}
		return parts
	},
	Init: func() any { return "" },
	Step: func(state, input, output any) (bool, any) {
		if in := input.(register); in.write {
			return true, in.value
		}
		return output.(string) == state.(string), state
	},
	DescribeOperation: func(input, output any) string {
		if in := input.(register); in.write {
			return fmt.Sprintf("%s := %s", in.key, in.value)
		}
		return fmt.Sprintf("%s is %v", input.(register).key, output)
	},
}

// recorder collects what clients saw, on one clock.
type recorder struct {
	begin time.Time
	mu    sync.Mutex
	all   []porcupine.Operation
	fates map[string]int // how many writes and reads ended how
}

// forEver is the end of a call whose outcome was never learnt.
const forEver = math.MaxInt64 / 2

func (r *recorder) add(client int, in register, out string, call time.Time, known bool, metadata ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	end := int64(forEver)
	if known {
		end = int64(time.Since(r.begin))
	}
	r.all = append(r.all, porcupine.Operation{ClientId: client, Input: in, Call: int64(call.Sub(r.begin)), Output: out, Return: end, Metadata: metadata})
}

func (r *recorder) count(fate string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.fates[fate]++
}

// client reads and writes until ctx ends, at whichever agent it thinks of; a call
// whose outcome is unknown is its last under that number.
func (r *recorder) client(ctx context.Context, c *cluster, number int, random *rand.Rand) {
	for n := 0; ctx.Err() == nil; n++ {
		name := string(rune('a' + random.IntN(len(c.peers))))
		op := register{key: string(rune('x' + random.IntN(2))), write: random.IntN(2) == 0, value: fmt.Sprintf("%d.%d", number, n)}
		call := time.Now()
		attempt, cancel := context.WithTimeout(context.Background(), 3*time.Second)
		if op.write {
			body := fmt.Sprintf(`[[{"%s":"%s"},{},"%s"]]`, op.key, op.value, op.value)
			answer, err := c.try(attempt, name, "write", body)
			switch {
			case err == nil && answer.status == http.StatusOK:
				r.add(number, op, "", call, true)
				r.count("applied")
			case certainlyNot(answer, err):
				r.count("not applied")
			case inquired(c, op.value):
				r.add(number, op, "", call, true)
				r.count("inquired")
			default:
				r.add(number, op, "", call, false)
				r.count("unknown")
				number += 1000
			}
		} else if answer, err := c.try(attempt, name, "read", fmt.Sprintf(`[["%s"]]`, op.key)); err == nil && answer.status == http.StatusOK {
			_, value, _ := strings.Cut(answer.body, `:"`)
			r.add(number, op, strings.TrimSuffix(value, `"}]`), call, true)
			r.count("read")
		}
		cancel()
		time.Sleep(time.Duration(random.IntN(30)) * time.Millisecond)
	}
}

// inquired asks every agent what became of a write of unknown outcome; true if
// one knows that it was applied.
func inquired(c *cluster, id string) bool {
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
	defer cancel()
	for name := range c.peers {
		if r, err := c.try(ctx, name[len("AGNT-"):], "inquire", `["`+id+`"]`); err == nil && r.status == http.StatusOK {
			return true
		}
	}
	return false
}

// certainlyNot says that a write was not applied and will not be.
func certainlyNot(answer reply, err error) bool {
	if err != nil {
		return strings.Contains(err.Error(), "refused") // no agent was there to ask
	}
	return answer.status == http.StatusTemporaryRedirect ||
		answer.status == http.StatusServiceUnavailable && !strings.Contains(answer.body, outcome.ErrUnknown.Error())
}

// history is what has to be explained. A write of unknown outcome whose value
// no client ever read can always be explained as happening after everything else;
// leaving it out changes no verdict and keeps the search short.
func (r *recorder) history() []porcupine.Operation {
	read := map[any]bool{}
	for _, o := range r.all {
		if !o.Input.(register).write {
			read[o.Output] = true
		}
	}
	return slices.DeleteFunc(r.all, func(o porcupine.Operation) bool {
		in := o.Input.(register)
		return in.write && o.Return == forEver && !read[in.value]
	})
}

// TestLinearizable: clients read and write two registers while the leader is
// isolated, half cut off, frozen and killed, and disks hang, again and again. Whatever they saw
// must have an order in which it makes sense.
func TestLinearizable(t *testing.T) {
	n := uint64(2)
	if os.Getenv("STASIS_SOAK") != "" {
		n = 100
	}
	histories(t, n, 8)
}

// TestLinearizableShort: the same with many short histories, each from the beginning
// of an agency: most of what can go wrong does so around an election.
func TestLinearizableShort(t *testing.T) {
	n := uint64(8)
	if os.Getenv("STASIS_SOAK") != "" {
		n = 5000
	}
	histories(t, n, 2)
}

// histories records and checks n histories with some harm in each.
func histories(t *testing.T, n uint64, harms int) {
	t.Helper()
	fates := map[string]int{}
	for seed := range n {
		r := &recorder{fates: fates}
		inBubble(t, 3, Timing{Write: 2 * time.Second}, func(t *testing.T, c *cluster) {
			t.Logf("seed %d", seed)
			c.leader()
			r.begin = time.Now()
			ctx, stop := context.WithCancel(t.Context())
			var clients sync.WaitGroup
			for i := range 4 {
				clients.Go(func() { r.client(ctx, c, i, rand.New(rand.NewPCG(seed, uint64(i)))) })
			}
			harm(c, rand.New(rand.NewPCG(seed, 99)), harms, r)
			stop()
			clients.Wait()
		})
		r.explained(t, registers, r.history(), 30*time.Second, fmt.Sprintf("seed %d", seed))
	}
	t.Logf("%v", fates)
	for _, fate := range []string{"applied", "unknown", "read", "leader's disk hung", "follower's disk hung"} {
		require.NotZero(t, fates[fate], "the faults or the clients did nothing: %s", fate)
	}
}

// harm does something to the leader, and takes it back, n times. Disks that hang are
// counted when the agent has noticed.
func harm(c *cluster, random *rand.Rand, n int, r *recorder) {
	for range n {
		for _, a := range []string{"a", "b", "c"} {
			for _, b := range []string{"a", "b", "c"} {
				c.net.Delay(a, b, time.Duration(random.IntN(20))*time.Millisecond)
			}
		}
		time.Sleep(500 * time.Millisecond)
		leader := c.leader()
		hung := map[string]string{}
		switch random.IntN(7) {
		case 0:
			c.net.Isolate(leader)
		case 1: // clients still reach it
			for _, other := range []string{"a", "b", "c"} {
				if other != leader {
					c.net.Cut(leader, other)
					c.net.Cut(other, leader)
				}
			}
		case 2:
			c.net.Freeze(leader)
		case 3:
			c.kill(leader)
			time.Sleep(time.Second)
			c.start(leader)
		case 4:
			hung[leader] = "leader's disk hung"
		case 5:
			hung[c.others(leader)[random.IntN(2)]] = "follower's disk hung"
		case 6: // also the one that leads next
			hung[leader] = "leader's disk hung"
			hung[c.others(leader)[random.IntN(2)]] = "follower's disk hung"
		}
		var thaws []func()
		for _, name := range slices.Sorted(maps.Keys(hung)) {
			thaws = append(thaws, c.freeze(name))
			time.Sleep(time.Duration(random.IntN(1500)) * time.Millisecond)
		}
		time.Sleep(time.Duration(random.IntN(4000)) * time.Millisecond)
		for name, fate := range hung {
			if c.agents[name].fence.Hang() != nil {
				r.count(fate)
			}
		}
		for _, thaw := range thaws {
			thaw()
		}
		c.net.HealAll()
	}
}
