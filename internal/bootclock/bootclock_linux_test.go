package bootclock

import (
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Elapsed is the clock that the system's uptime is: the one that counts suspension. It
// never goes back.
func TestElapsedIsTheUptime(t *testing.T) {
	require.True(t, offered())
	before := Elapsed()
	raw, err := os.ReadFile("/proc/uptime")
	require.NoError(t, err)
	after := Elapsed()
	seconds, err := strconv.ParseFloat(strings.Fields(string(raw))[0], 64)
	require.NoError(t, err)
	uptime := time.Duration(seconds * float64(time.Second))
	const grain = 10 * time.Millisecond // of /proc/uptime
	require.GreaterOrEqual(t, uptime, before-grain)
	require.LessOrEqual(t, uptime, after+grain)
	for last := after; last < after+time.Millisecond; {
		now := Elapsed()
		require.GreaterOrEqual(t, now, last)
		last = now
	}
}

// What is used where there is no such clock runs, too.
func TestMonotonicRuns(t *testing.T) {
	for first := monotonic(); monotonic() == first; {
	}
}

func BenchmarkElapsed(b *testing.B) {
	for b.Loop() {
		Elapsed()
	}
}
