package failpoint

import (
	"context"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// delays is the source of random delays of this process; nil: nothing waits.
var delays atomic.Pointer[Delays]

// longestDelay is the bound of every random delay.
const longestDelay = 10 * time.Second

// Delays are random delays at the points of this process, and at the steps that servers tell.
type Delays struct {
	seed        uint64
	probability float64
	longest     time.Duration
	met         atomic.Int64

	mu   sync.Mutex // not held while anything waits
	hits map[hit]uint64
}

// hit is a point and the server that comes there.
type hit struct{ point, who string }

// Delay lets points wait from now on: each with this probability, and at most so long. Whether and how long follows
// from the seed, the point, the server, and how often the server has come there: what other servers do has no part in
// it. A process has one source at a time.
func Delay(seed uint64, probability float64, longest time.Duration) (*Delays, error) {
	switch {
	case !(probability > 0 && probability <= 1): // also not a number
		return nil, fmt.Errorf("random delays with probability %v: want more than 0, and at most 1", probability)
	case longest <= 0 || longest > longestDelay:
		return nil, fmt.Errorf("random delays of up to %v: want more than 0, and at most %v", longest, longestDelay)
	}
	d := &Delays{seed: seed, probability: probability, longest: longest, hits: map[hit]uint64{}}
	if !delays.CompareAndSwap(nil, d) {
		return nil, fmt.Errorf("this process has random delays already: end them first")
	}
	return d, nil
}

// Met is how often something has waited.
func (d *Delays) Met() int { return int(d.met.Load()) }

// End ends the delays. What waits goes on when its delay is over. (A channel that ended it would belong to one bubble, and
// points of all bubbles of a process come here.) Calling End again is harmless.
func (d *Delays) End() { delays.CompareAndSwap(d, nil) }

// Linger waits at a step that a server tells, if there are random delays. The caller holds no mutex.
func Linger(ctx context.Context, step, who string) {
	if delays.Load() != nil {
		pause(ctx, step, who)
	}
}

// pause waits, or does not. A delay is no error: what follows notices by itself that its context has ended.
func pause(ctx context.Context, point, who string) {
	d := delays.Load()
	if d == nil {
		return // it has ended just now
	}
	wait := d.next(point, who)
	if wait == 0 {
		return
	}
	d.met.Add(1)
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// next is how long a server waits that comes to a point; 0: it does not.
func (d *Delays) next(point, who string) time.Duration {
	if !mayWait(point) {
		return 0
	}
	h := hit{point, who}
	d.mu.Lock()
	n := d.hits[h]
	d.hits[h] = n + 1
	d.mu.Unlock()
	return d.length(h, n)
}

// length is how long a server waits that has come to a point n times before. Short delays are more frequent than long
// ones: a quarter of the longest is the mean.
func (d *Delays) length(h hit, n uint64) time.Duration {
	sum := fnv.New64a()
	_, _ = sum.Write([]byte(h.point + "\x00" + h.who)) // never fails
	random := rand.New(rand.NewPCG(d.seed, sum.Sum64()+n))
	if random.Float64() >= d.probability {
		return 0
	}
	part := random.Float64()
	return max(1, time.Duration(part*part*part*float64(d.longest)))
}

// underMutex are points that are hit while a mutex is held: nothing waits there at random, because a goroutine that
// waits for a mutex stops the time of a bubble.
var underMutex = []string{
	"engine/apply", // under the lock of the shard's content
}

func mayWait(point string) bool { return !slices.Contains(underMutex, point) }
