package gate

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// A percentile is never below the true one, and at most a tenth above it.
func TestPercentileOfWaits(t *testing.T) {
	require.Zero(t, new(histogram).percentile(0.99))
	rapid.Check(t, func(rt *rapid.T) {
		all := rapid.SliceOfN(rapid.Int64Range(0, int64(6*time.Minute)), 1, 300).Draw(rt, "waits")
		share := rapid.SampledFrom([]float64{0.5, 0.9, 0.99, 1}).Draw(rt, "share")
		w := &histogram{}
		for _, d := range all {
			w.add(time.Duration(d))
		}
		slices.Sort(all)
		rank := 0
		for float64(rank+1) < share*float64(len(all)) {
			rank++
		}
		exact := time.Duration(all[rank])
		got := w.percentile(share)
		require.GreaterOrEqual(rt, got, exact)
		require.LessOrEqual(rt, float64(got), max(float64(exact)*binGrowth*1.0001, float64(shortestBin)))
	})
}
