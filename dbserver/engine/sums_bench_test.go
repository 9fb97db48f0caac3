package engine

import (
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// processorTime is what this process has used so far.
func processorTime(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	require.NoError(b, syscall.Getrusage(syscall.RUSAGE_SELF, &u))
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkLoad is a bulk load of 256 MiB into an engine alone, without the server around it, in turns with
// the sums of tables and without. It reports the processor's time with, in parts of the time without: the
// median of the rounds.
func BenchmarkLoad(b *testing.B) {
	random := rand.New(rand.NewPCG(1, 2))
	text := make([]byte, 1<<20)
	for i := range text {
		text[i] = "abcdefghijklmnop"[random.IntN(16)]
	}
	load := func(dir string, sums bool) time.Duration {
		e, err := Open(filepath.Join(dir, "db"), Options{})
		require.NoError(b, err)
		if !sums {
			e.fs.sums.Stop()
			e.fs.sums = nil
		}
		begun := processorTime(b)
		for range 256 << 10 {
			at := random.IntN(len(text) - 1024)
			put(b, e, fmt.Sprintf("%08x", random.Uint32()), string(text[at:at+1024]), false)
		}
		require.NoError(b, e.Close())
		return processorTime(b) - begun
	}
	var ratios []float64
	for b.Loop() {
		with := load(b.TempDir(), true)
		without := load(b.TempDir(), false)
		ratios = append(ratios, float64(with)/float64(without))
	}
	slices.Sort(ratios)
	b.ReportMetric(ratios[len(ratios)/2], "with/without")
}
