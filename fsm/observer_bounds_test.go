package fsm

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// What waits to be told is bounded, however many observe and however much changes.
func TestCallsAreBounded(t *testing.T) {
	m := New(10)
	var ops []string
	for i := range 3 * MostObservers {
		ops = append(ops, fmt.Sprintf(`"/a/%d":{"op":"observe","url":"http://%d"}`, i, i))
	}
	for i := range 2 * MostChanges {
		ops = append(ops, fmt.Sprintf(`"/b/%d":{"op":"observe","url":"http://0"}`, i))
	}
	ops = append(ops, `"/`+strings.Repeat("c", 1000)+`":{"op":"observe","url":"http://0"}`)
	write(t, m, `[{`+strings.Join(ops, ",")+`}]`)
	calls := Calls{}
	for _, raw := range []string{`[{"/":1}]`, `[{"/a/0/` + strings.Repeat("d", 1000) + `":1}]`, `[{"/b/1/x":1}]`} {
		write(t, m, raw)
		entries, _ := m.State().Log(m.State().Index())
		m.State().Observed(entries[0], calls)
	}
	require.LessOrEqual(t, len(calls), MostObservers)
	for url := range calls {
		require.LessOrEqual(t, calls.changes(url), MostChanges, url)
		for path, changes := range calls[url] {
			require.LessOrEqual(t, len(path), longestTold)
			for changed := range changes {
				require.LessOrEqual(t, len(changed), longestTold)
			}
		}
	}
}
