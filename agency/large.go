package agency

import (
	"context"
	"io"
	"net/http"
	"strconv"
	"sync"
	"time"

	"stasis/fsm"
	"stasis/internal/apierror"
	"stasis/internal/budget"
)

// Large answers are not put together in memory: they are written piece by piece from the
// tree, which never changes, so all that are being sent share it. What they cost is the
// trees of the past that they hold, and the processor's time; so there is a place for each,
// and who holds one must move.
const (
	// largeText is from which size on an answer is large.
	largeText = 256 << 10
	// largeAtOnce are sent at the same time to clients, and as many to servers; the others
	// wait for their turn.
	largeAtOnce = 4
	// While others wait, an answer has this time, and a second for each of these bytes.
	largeTime = 30 * time.Second
	largeRate = 1 << 20
)

// writes writes an answer; flush is called with every piece.
type writes func(flush func([]byte) []byte) (rest []byte)

// large keeps the places.
type large struct {
	places chan struct{}

	mu      sync.Mutex
	waiting int
	removed func() int64 // what was taken out of the tree so far
	most    int64        // of what may be taken out while an answer is sent
}

func newLarge(removed func() int64, most int64) *large {
	return &large{places: make(chan struct{}, largeAtOnce), removed: removed, most: most}
}

// places are those for the answer to a request. Servers have places of their own: a cache that
// has to read the whole tree, and without which a server serves nothing, does not wait behind clients.
func (a *Agent) places(r *http.Request) *large {
	if budget.Of(r.Context()).Peer() {
		return a.larger
	}
	return a.large
}

// enter waits for a place.
func (l *large) enter(ctx context.Context) (leave func(), err error) {
	l.wait(1)
	defer l.wait(-1)
	select {
	case l.places <- struct{}{}:
		return func() { <-l.places }, nil
	case <-ctx.Done():
		return nil, apierror.New(apierror.ServiceUnavailable, "%d large answers are being sent, and none has ended: %w", largeAtOnce, context.Cause(ctx))
	}
}

func (l *large) wait(n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.waiting += n
}

func (l *large) crowded() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.waiting > 0
}

// send waits for a place, and sends an answer of about so many bytes. The connection of
// who is too slow, while others wait or the tree is being replaced meanwhile, is ended: the
// answer cannot be called whole any more.
func (l *large) send(ctx context.Context, w http.ResponseWriter, bytes int64, write writes) error {
	leave, err := l.enter(ctx)
	if err != nil {
		return err
	}
	defer leave()
	s := &sending{
		large: l, to: w, limit: time.Now().Add(largeTime + time.Duration(bytes)*time.Second/largeRate), removed: l.removed(),
	}
	w.WriteHeader(http.StatusOK)
	s.flush(write(s.flush))
	return nil
}

// sending is a large answer on its way.
type sending struct {
	large   *large
	to      io.Writer
	limit   time.Time
	removed int64 // when it began
}

// flush sends a piece and gives its memory back.
func (s *sending) flush(piece []byte) []byte {
	_, isJob := s.to.(*job) // takes everything at once
	if !isJob && (s.large.removed()-s.removed > s.large.most || time.Now().After(s.limit) && s.large.crowded()) {
		panic(http.ErrAbortHandler) // net/http's way to end a connection in the middle of an answer
	}
	if _, err := s.to.Write(piece); err != nil && !isJob {
		panic(http.ErrAbortHandler) // the client has gone
	}
	return piece[:0]
}

// writesList is a JSON array of values.
func writesList(parts []*fsm.Node) writes {
	return func(flush func([]byte) []byte) []byte {
		to := []byte{'['}
		for i, part := range parts {
			if i > 0 {
				to = append(to, ',')
			}
			to = part.StreamJSON(to, flush)
		}
		return append(to, ']')
	}
}

// flushed passes a buffer on if it is full.
func flushed(to []byte, flush func([]byte) []byte) []byte {
	if len(to) >= largeText/4 {
		return flush(to)
	}
	return to
}

// whole is what an answer writes, in one piece.
func (w writes) whole() []byte { return w(func(all []byte) []byte { return all }) }

// serve sends an answer of about so many bytes, large or not.
func (l *large) serve(r *http.Request, w http.ResponseWriter, bytes int64, write writes) error {
	w.Header()["Content-Type"] = jsonAnswer
	if bytes > largeText {
		return l.send(r.Context(), w, bytes, write)
	}
	whole := write.whole()
	w.Header().Set("Content-Length", strconv.Itoa(len(whole)))
	w.WriteHeader(http.StatusOK)
	_, _ = w.Write(whole) // the client may be gone
	return nil
}
