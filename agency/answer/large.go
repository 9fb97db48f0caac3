package answer

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

// Large answers are not put together in memory. They are written piece by piece from a tree
// that never changes, so all answers that are being sent share it. Each holds a tree of the
// past and costs the processor's time. So only a few are sent at a time, and a receiver that
// is too slow while others wait is cut off.
const (
	// LargeFrom is the size in bytes above which an answer is large.
	LargeFrom = 256 << 10
	// AtOnce is how many large answers are sent at the same time to clients, and as many to
	// servers. The others wait for their turn.
	AtOnce = 4
	// While others wait, an answer may take largeTime, and a second for each largeRate bytes.
	largeTime = 30 * time.Second
	largeRate = 1 << 20
)

// buffered is the writer of an answer that is kept in memory: it is never slow.
type buffered interface{ TakesEverything() }

// Stream writes an answer. It calls flush with every full piece, goes on with the buffer that
// flush returns, and returns the last piece.
type Stream func(flush func([]byte) []byte) (rest []byte)

// Large sends large answers, [AtOnce] at a time.
type Large struct {
	places chan struct{}

	mu      sync.Mutex
	waiting int
	removed func() int64 // what was taken out of the tree so far
	Most    int64        // bytes that may be taken out of the tree while an answer is sent
}

func newLarge(removed func() int64, most int64) *Large {
	return &Large{places: make(chan struct{}, AtOnce), removed: removed, Most: most}
}

// Queues send to clients and to servers separately. A server serves nothing before its cache
// has read the whole tree, so that answer must not wait behind those of clients.
type Queues struct{ Clients, Servers *Large }

// NewQueues makes both. removed is how many bytes were taken out of the tree so far.
func NewQueues(removed func() int64, most int64) *Queues {
	return &Queues{Clients: newLarge(removed, most), Servers: newLarge(removed, most)}
}

// Of is the queue of a request.
func (q *Queues) Of(r *http.Request) *Large {
	if budget.Of(r.Context()).Peer() {
		return q.Servers
	}
	return q.Clients
}

// Sending is how many answers are being sent.
func (l *Large) Sending() int { return len(l.places) }

// Enter waits for its turn, until ctx ends. leave ends the turn.
func (l *Large) Enter(ctx context.Context) (leave func(), err error) {
	l.wait(1)
	defer l.wait(-1)
	select {
	case l.places <- struct{}{}:
		return func() { <-l.places }, nil
	case <-ctx.Done():
		return nil, apierror.New(apierror.ServiceUnavailable, "%d large answers are being sent, and none has ended: %w", AtOnce, context.Cause(ctx))
	}
}

func (l *Large) wait(n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.waiting += n
}

func (l *Large) crowded() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.waiting > 0
}

// Send waits for a turn and sends an answer of about so many bytes. It ends the connection of a
// receiver that is too slow while others wait, or while the tree is being replaced: only so can
// the receiver tell that the answer is not whole.
func (l *Large) Send(ctx context.Context, w http.ResponseWriter, bytes int64, write Stream) error {
	leave, err := l.Enter(ctx)
	if err != nil {
		return err
	}
	defer leave()
	s := &transfer{
		large: l, to: w, limit: time.Now().Add(largeTime + time.Duration(bytes)*time.Second/largeRate), removed: l.removed(),
	}
	w.WriteHeader(http.StatusOK)
	s.flush(write(s.flush))
	return nil
}

// transfer is a large answer on its way.
type transfer struct {
	large   *Large
	to      io.Writer
	limit   time.Time
	removed int64 // when it began
}

// flush sends a piece and gives its memory back.
func (s *transfer) flush(piece []byte) []byte {
	_, isJob := s.to.(buffered)
	if !isJob && (s.large.removed()-s.removed > s.large.Most || time.Now().After(s.limit) && s.large.crowded()) {
		panic(http.ErrAbortHandler) // net/http's way to end a connection in the middle of an answer
	}
	if _, err := s.to.Write(piece); err != nil && !isJob {
		panic(http.ErrAbortHandler) // the client has gone
	}
	return piece[:0]
}

// List writes a JSON array of values.
func List(parts []*fsm.Node) Stream {
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

// Flushed passes a buffer on if it is full.
func Flushed(to []byte, flush func([]byte) []byte) []byte {
	if len(to) >= LargeFrom/4 {
		return flush(to)
	}
	return to
}

// Whole is the answer in one piece.
func (w Stream) Whole() []byte { return w(func(all []byte) []byte { return all }) }

// Serve sends a JSON answer of about so many bytes, large or not.
func (l *Large) Serve(r *http.Request, w http.ResponseWriter, bytes int64, write Stream) error {
	w.Header()["Content-Type"] = JSON
	if bytes > LargeFrom {
		return l.Send(r.Context(), w, bytes, write)
	}
	whole := write.Whole()
	w.Header().Set("Content-Length", strconv.Itoa(len(whole)))
	w.WriteHeader(http.StatusOK)
	_, _ = w.Write(whole) // the client may be gone
	return nil
}

// Flusher makes an io.Writer of the flush of a Stream.
type Flusher func([]byte) []byte

// Write never fails: a receiver that is gone ends the connection.
func (f Flusher) Write(p []byte) (int, error) {
	f(p)
	return len(p), nil
}
