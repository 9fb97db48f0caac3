package gate

import (
	"math"
	"time"
)

// A wait belongs to the first bin whose bound it does not exceed. The bound of bin 0 is shortestBin,
// and each bound is a tenth above the one before. The last bin is beyond the longest window.
const (
	shortestBin = 10 * time.Microsecond
	binGrowth   = 1.1
	bins        = 192
)

// histogram counts waits by their length. It takes the same memory however many there were, so a
// percentile is up to a tenth too high.
type histogram struct {
	count   int
	longest time.Duration
	in      [bins]uint32
}

func (h *histogram) add(d time.Duration) {
	h.count++
	h.longest = max(h.longest, d)
	h.in[binOf(d)]++
}

func binOf(d time.Duration) int {
	if d <= shortestBin {
		return 0
	}
	n := math.Ceil(math.Log(float64(d)/float64(shortestBin)) / math.Log(binGrowth))
	return min(int(n), bins-1)
}

// percentile returns a time that is not exceeded by the given share of the waits; 0 if there are
// none.
func (h *histogram) percentile(share float64) time.Duration {
	rank, seen := int(math.Ceil(share*float64(h.count))), 0
	for bin, n := range h.in {
		if seen += int(n); n > 0 && seen >= rank {
			bound := float64(shortestBin) * math.Pow(binGrowth, float64(bin))
			if bound >= float64(h.longest) || bin == bins-1 {
				return h.longest
			}
			return time.Duration(bound)
		}
	}
	return 0
}
