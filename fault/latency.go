package fault

import (
	"hash/fnv"
	"math/rand/v2"
	"time"
)

// latency is how long a piece is on its way when nothing is broken: something from least to most, drawn for each piece.
type latency struct {
	least, most time.Duration
	random      *rand.Rand
}

// newLatency makes the latency of one link. Each link draws from a stream of its own, so that what happens on one
// link does not change what is drawn on another.
func newLatency(least, most time.Duration, seed uint64, from, to string) latency {
	least = max(least, 0)
	h := fnv.New64a()
	_, _ = h.Write([]byte(from + "\x00" + to)) // it cannot fail
	return latency{least: least, most: max(least, most), random: rand.New(rand.NewPCG(seed, h.Sum64()))}
}

func (l *latency) draw() time.Duration {
	if l.most <= l.least {
		return l.least
	}
	return l.least + time.Duration(l.random.Int64N(int64(l.most-l.least)+1))
}
