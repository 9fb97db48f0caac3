package load

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func op(chain string, n int, begin, end time.Duration) Op {
	key := fmt.Sprintf("%s-%d", chain, n)
	doc, _ := json.Marshal(map[string]any{"_key": key, "chain": chain, "n": n})
	return Op{N: n, Collection: "c", Key: key, Doc: doc, Begin: begin, End: end, Acked: end > 0}
}

// take is the state that holds the first counts[i] operations of chain i.
func take(chains []Chain, counts ...int) State {
	docs := map[string]json.RawMessage{}
	for i, c := range chains {
		for _, o := range c.Ops[:counts[i]] {
			docs[o.Key] = o.Doc
		}
	}
	return State{"c": docs}
}

func twoChains() []Chain {
	return []Chain{
		{Name: "a", Ops: []Op{op("a", 1, 0, 10), op("a", 2, 10, 20), op("a", 3, 20, 30)}},
		{Name: "b", Ops: []Op{op("b", 1, 5, 15), op("b", 2, 15, 25), op("b", 3, 25, 0)}},
	}
}

func TestCheckFindsTheInstant(t *testing.T) {
	chains := twoChains()
	v, err := Check(chains, take(chains, 2, 1), 0, 100)
	require.NoError(t, err)
	require.Equal(t, Verdict{Chains: 2, Present: 3, Absent: 3, Unknown: 1, Earliest: 10, Latest: 25}, v)
	for name, c := range map[string]struct {
		a, b          int
		after, before time.Duration
	}{
		"b/2 began at 15, a/1 was acknowledged at 10":  {a: 0, b: 2, before: 100},
		"b/1 acknowledged before the call, yet absent": {a: 2, b: 0, after: 16, before: 100},
		"a/3 begun after the return, yet there":        {a: 3, b: 2, before: 20},
	} {
		_, err := Check(chains, take(chains, c.a, c.b), c.after, c.before)
		require.ErrorContains(t, err, "not one instant", name)
	}
	for _, b := range []int{2, 3} { // b/3 has no answer: it may be there or not
		_, err = Check(chains, take(chains, 3, b), 26, 100)
		require.NoError(t, err)
	}
}

func TestCheckFindsDamage(t *testing.T) {
	chains := twoChains()
	for name, damage := range map[string]func(docs map[string]json.RawMessage){
		"a hole": func(d map[string]json.RawMessage) { delete(d, "a-1") },
		"an altered one": func(d map[string]json.RawMessage) {
			d["a-1"] = json.RawMessage(`{"_key":"a-1","chain":"a","n":1,"x":1}`)
		},
		"an extra one":      func(d map[string]json.RawMessage) { d["x"] = json.RawMessage(`{"_key":"x","chain":"a","n":2}`) },
		"one never written": func(d map[string]json.RawMessage) { d["a-4"] = json.RawMessage(`{"_key":"a-4","chain":"a","n":4}`) },
		"a stranger":        func(d map[string]json.RawMessage) { d["z"] = json.RawMessage(`{"_key":"z"}`) },
	} {
		state := take(chains, 2, 2)
		damage(state["c"])
		_, err := Check(chains, state, 0, 100)
		require.Error(t, err, name)
	}
}

// A state taken at one instant of a random history always passes; one made by
// taking each chain's state at another instant passes only if some single instant
// explains it too.
func TestCheckAgainstRandomHistories(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var chains []Chain
		var effect [][]time.Duration // when each operation took place
		for i := range rapid.IntRange(1, 4).Draw(t, "chains") {
			c, at := Chain{Name: fmt.Sprint(i)}, time.Duration(0)
			var effects []time.Duration
			for n := range rapid.IntRange(0, 6).Draw(t, "ops") {
				begin := at + time.Duration(rapid.IntRange(0, 5).Draw(t, "gap"))
				took := begin + time.Duration(rapid.IntRange(0, 5).Draw(t, "took"))
				at = took + 1 + time.Duration(rapid.IntRange(0, 5).Draw(t, "answer"))
				c.Ops = append(c.Ops, op(c.Name, n+1, begin, at))
				effects = append(effects, took)
			}
			chains, effect = append(chains, c), append(effect, effects)
		}
		counts := make([]int, len(chains))
		at := func(i int, instant time.Duration) (n int) {
			for _, e := range effect[i] {
				if e <= instant {
					n++
				}
			}
			return n
		}
		instant := time.Duration(rapid.IntRange(0, 60).Draw(t, "instant"))
		for i := range chains {
			counts[i] = at(i, instant)
		}
		_, err := Check(chains, take(chains, counts...), 0, 1000)
		require.NoError(t, err)

		for i := range chains {
			counts[i] = at(i, time.Duration(rapid.IntRange(0, 60).Draw(t, "torn")))
		}
		_, err = Check(chains, take(chains, counts...), 0, 1000)
		require.Equal(t, explained(chains, counts), err == nil)
	})
}

// explained looks for the instant by trying all.
func explained(chains []Chain, counts []int) bool {
	for t := time.Duration(0); t < 1000; t++ {
		ok := true
		for i, c := range chains {
			for n, o := range c.Ops {
				ok = ok && (n >= counts[i] || o.Begin <= t) && (n < counts[i] || o.End > t)
			}
		}
		if ok {
			return true
		}
	}
	return false
}
