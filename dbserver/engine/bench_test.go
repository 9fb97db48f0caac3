package engine

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stasis/dbserver/diskhealth"
)

// BenchmarkCut measures how long the gate is held for a cut, with eight writers
// that do not wait for the disk. STASIS_BENCH_MIB is the engine's size (default 64).
func BenchmarkCut(b *testing.B) {
	mib := 64
	if s := os.Getenv("STASIS_BENCH_MIB"); s != "" {
		var err error
		mib, err = strconv.Atoi(s)
		require.NoError(b, err)
	}
	dir := b.TempDir()
	e, err := Open(filepath.Join(dir, "db"), Options{})
	require.NoError(b, err)
	fill(b, e, 0, mib*256) // 4 KiB each
	w := startWriters(e, make([]uint64, 8), 1000)
	var stop atomic.Bool
	w.done.Go(func() {
		defer close(w.tokens)
		for !stop.Load() {
			w.tokens <- struct{}{}
			runtime.Gosched()
		}
	})
	var held, took, links []time.Duration
	for n := 0; b.Loop(); n++ {
		require.NoError(b, e.PrepareCut(b.Context()))
		piece := filepath.Join(dir, fmt.Sprint("piece", n))
		ctx, cancel := context.WithTimeout(b.Context(), time.Minute)
		begun := time.Now()
		c, _, h, err := w.cut(ctx, piece)
		require.NoError(b, err)
		require.NoError(b, c.Wait(ctx))
		cancel()
		held, took, links = append(held, h), append(took, c.Took()), append(links, time.Since(begun))
		require.NoError(b, os.RemoveAll(piece))
	}
	stop.Store(true)
	w.done.Wait()
	require.NoError(b, e.Close())
	report := func(name string, d []time.Duration) {
		slices.Sort(d)
		b.ReportMetric(float64(d[len(d)/2].Microseconds())/1000, name+"-median-ms")
		b.ReportMetric(float64(d[len(d)-1].Microseconds())/1000, name+"-max-ms")
	}
	report("held", held)
	report("cut", took)
	report("copy", links)
}

func BenchmarkCommitUnsynced(b *testing.B) {
	e := open(b, filepath.Join(b.TempDir(), "db"), Options{})
	value, n := make([]byte, 200), 0
	for b.Loop() {
		n++
		put(b, e, fmt.Sprintf("k%09d", n), string(value), false)
	}
}

func BenchmarkCommitSyncedByMany(b *testing.B) {
	e := open(b, filepath.Join(b.TempDir(), "db"), Options{})
	value := make([]byte, 200)
	var n atomic.Int64
	b.SetParallelism(16)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			put(b, e, fmt.Sprintf("k%09d", n.Add(1)), string(value), true)
		}
	})
}

// BenchmarkCommitWatched is BenchmarkCommitUnsynced with calls that are given up when the
// disk hangs.
func BenchmarkCommitWatched(b *testing.B) {
	watch := diskhealth.NewWatch(nil)
	b.Cleanup(watch.Close)
	e, err := Open(filepath.Join(b.TempDir(), "db"), Options{Health: watch})
	require.NoError(b, err)
	value, n := make([]byte, 200), 0
	for b.Loop() {
		n++
		put(b, e, fmt.Sprintf("k%09d", n), string(value), false)
	}
	require.NoError(b, e.Close())
}
