package route

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"time"

	"stasis/internal/wait"
)

// Pauses between two looks for the leader of a shard.
const (
	firstPause = 10 * time.Millisecond
	maxPause   = 250 * time.Millisecond
)

// retries bounds how long one request looks for leaders of shards. The time begins with the
// first failure, however long the first try took.
type retries struct {
	lasts time.Duration
	until time.Time
	pause time.Duration
}

func newRetries(lasts time.Duration) *retries { return &retries{lasts: lasts, pause: firstPause} }

// wait pauses before the next try. It returns false if there shall be none.
func (r *retries) wait(ctx context.Context) bool {
	if r.until.IsZero() {
		r.until = time.Now().Add(r.lasts)
	}
	d := r.pause/2 + jitter(r.pause/2)
	if time.Now().Add(d).After(r.until) {
		return false
	}
	r.pause = min(2*r.pause, maxPause)
	return wait.For(ctx, d) == nil
}

// jitter is a part of d by chance. It comes from crypto/rand, as ids do: the fault lab seeds that, and nothing can seed
// the source of math/rand/v2.
func jitter(d time.Duration) time.Duration {
	var bits [8]byte
	_, _ = rand.Read(bits[:]) // never fails; it ends the program instead
	return time.Duration(binary.LittleEndian.Uint64(bits[:]) % uint64(d))
}
