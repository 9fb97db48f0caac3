package api

import (
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"stasis/internal/bubbles"
	"stasis/internal/budget"
)

// live is how many bytes are reachable after f that were not before.
func live(f func() any) int64 {
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	kept := f()
	runtime.GC()
	runtime.ReadMemStats(&after)
	runtime.KeepAlive(kept)
	return int64(after.HeapAlloc) - int64(before.HeapAlloc)
}

// Whatever an envelope is made of, what it becomes is no more than is taken for it.
func TestCostOfEnvelopes(t *testing.T) {
	// A map of so many keys has just grown, so it is at its largest for each of them.
	n := 30_000
	if !bubbles.Race {
		n = 300_000
	}
	for name, raw := range map[string]string{
		"array of numbers":    `[[{"/a":{"op":"set","new":[` + strings.Repeat("0,", n) + `0]}}]]`,
		"array of objects":    `[[{"/a":{"op":"set","new":[` + strings.Repeat("{},", n) + `0]}}]]`,
		"transactions":        `[` + strings.Repeat(`[{"a":1}],`, n) + `[{"a":1}]]`,
		"empty transactions":  `[` + strings.Repeat(`[{}],`, n) + `[{}]]`,
		"queries":             `[` + strings.Repeat(`["a"],`, n) + `["a"]]`,
		"a query of many":     `[[` + strings.Repeat(`"a",`, n) + `"a"]]`,
		"operations":          `[[{` + manyKeys(n) + `}]]`,
		"preconditions":       `[[{"a":1},{` + manyKeys(n) + `}]]`,
		"what is no JSON":     `[[{"a":` + strings.Repeat("[", n),
		"no transactions":     `[` + strings.Repeat(`0,`, n) + `0]`,
		"malformed operation": `[` + strings.Repeat(`[{"a":{"op":"x"}}],`, n) + `[{"a":1}]]`,
	} {
		bytes := live(func() any {
			e, err := parseTransact([]byte(raw))
			if err != nil {
				return err
			}
			return e
		})
		t.Logf("%s: %.1f bytes for each value", name, float64(bytes)/float64(budget.Values([]byte(raw), allDepths)))
		require.LessOrEqual(t, bytes, costOf([]byte(raw)), name)
	}
}

func manyKeys(n int) string {
	var b strings.Builder
	for i := range n {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteByte('"')
		for ; i > 0; i /= 26 {
			b.WriteByte(byte('a' + i%26))
		}
		b.WriteString(`":0`)
	}
	return b.String()
}
