package gate

import (
	"math"
	"time"
)

// A wait belongs to the first class whose bound it does not exceed. The bound of class 0 is
// shortestClass, and each bound is a tenth above the one before. The last class is beyond the
// longest window.
const (
	shortestClass = 10 * time.Microsecond
	classGrowth   = 1.1
	classes       = 192
)

// waits says how long writers queued. It takes the same memory however many there were, because
// it counts them in classes: a percentile is up to a tenth too high.
type waits struct {
	count        int
	sum, longest time.Duration
	in           [classes]uint32
}

func (w *waits) add(d time.Duration) {
	w.count++
	w.sum += d
	w.longest = max(w.longest, d)
	w.in[classOf(d)]++
}

func classOf(d time.Duration) int {
	if d <= shortestClass {
		return 0
	}
	n := math.Ceil(math.Log(float64(d)/float64(shortestClass)) / math.Log(classGrowth))
	return min(int(n), classes-1)
}

// percentile returns a time that is not exceeded by the given share of the waits; 0 if there are
// none.
func (w *waits) percentile(share float64) time.Duration {
	rank, seen := int(math.Ceil(share*float64(w.count))), 0
	for class, n := range w.in {
		if seen += int(n); n > 0 && seen >= rank {
			bound := float64(shortestClass) * math.Pow(classGrowth, float64(class))
			if bound >= float64(w.longest) || class == classes-1 {
				return w.longest
			}
			return time.Duration(bound)
		}
	}
	return 0
}
