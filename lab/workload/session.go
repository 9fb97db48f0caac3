package workload

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"stasis/client"
	"stasis/internal/wait"
	"stasis/lab/history"
)

// site is where a workload works.
type site struct {
	spec       Spec
	h          *history.History
	label      string // of its operations
	collection string // the first, if there are several
	members    int    // collections
	tempo      *tempo
}

// session is one life of a client: operations one after the other, until an outcome is unknown.
type session struct {
	*site
	client, process int
	seq             int // of its writes
	marks           int // that it has given
	clients         []*client.Client
	turn            int // which of them it asks
	grace           time.Duration
	random          *rand.Rand
	refused         int // in a row
}

// errUnknown ends a life.
var errUnknown = errors.New("outcome unknown")

// Pauses after refusals, and how long a call may take.
const (
	firstPause = 10 * time.Millisecond
	mostPause  = 250 * time.Millisecond
	patience   = 30 * time.Second
)

// at is the coordinator that it asks.
func (s *session) at() *client.Client { return s.clients[s.turn%len(s.clients)] }

func (s *session) db() *client.Database { return s.at().Database("") }

// id names the next write.
func (s *session) id() string {
	s.seq++
	return fmt.Sprintf("%d.%d", s.process, s.seq)
}

// mark is a number that no other write of the workload has.
func (s *session) mark() int {
	s.marks++
	return s.process*marksOfALife + s.marks
}

// marksOfALife is more than a life writes; all marks are below 2^53, so that JSON has them as they are.
const marksOfALife = 10_000_000

// do records an operation and carries it out. If it was refused, done is false: it has not happened, and a pause
// has been made. The error is errUnknown, or one that ends the workload.
func (s *session) do(ctx context.Context, o history.Op, send func(ctx context.Context) (result any, err error)) (done bool, err error) {
	o.Workload, o.Client, o.Process = s.label, s.client, s.process
	recorded, err := s.h.Begin(o)
	if err != nil {
		return false, err
	}
	call, cancel := graceful(ctx, s.grace)
	result, err := send(call)
	cancel()
	return s.ended(ctx, recorded, o, result, err)
}

// ended records how an operation ended.
func (s *session) ended(ctx context.Context, recorded *history.Call, o history.Op, result any, err error) (bool, error) {
	if err == nil {
		raw, encoding := json.Marshal(result)
		if result == nil {
			raw = nil
		}
		recorded.End(history.OK, raw, encoding)
		s.refused = 0
		return true, encoding
	}
	s.turn++ // another coordinator may know better
	switch {
	case o.Write() && errors.Is(err, client.ErrUnknownOutcome) && !answeredWith(err, tooFewServers):
		recorded.End(history.Info, nil, err)
		return false, fmt.Errorf("%w: %w", errUnknown, err)
	case refusal(o, err):
		recorded.End(history.Fail, nil, err)
		s.pause(ctx)
		return false, nil
	}
	recorded.End(history.Fail, nil, err)
	return false, fmt.Errorf("%s %s: %w", o.Kind, o.Key, err)
}

// pause pauses after a refusal: longer, the more of them there were in a row. Callers look at ctx.
func (s *session) pause(ctx context.Context) {
	s.refused++
	_ = wait.For(ctx, min(firstPause<<min(s.refused-1, 10), mostPause))
}

// refusal says whether an error is one that a cluster under faults gives, after which nothing was done.
func refusal(o history.Op, err error) bool {
	for _, refused := range []error{client.ErrUnavailable, client.ErrConflict, client.ErrExists, client.ErrReadOnly, client.ErrNoSpace, client.ErrLockTimeout} {
		if errors.Is(err, refused) {
			return true
		}
	}
	if answeredWith(err, tooFewServers) {
		return true
	}
	var answer *client.Error
	return !o.Write() && (!errors.As(err, &answer) || answer.Status >= 500)
}

// rest makes the pause between two operations. Callers look at ctx.
func (s *session) rest(ctx context.Context) {
	s.tempo.rest(ctx, s.spec.Pace, s.spec.Lull, 0.5+s.random.Float64())
}

// graceful is a context that outlives ctx by grace, so that a request that was sent is answered. It ends after
// patience at the latest.
func graceful(ctx context.Context, grace time.Duration) (context.Context, context.CancelFunc) {
	call, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
	stop := context.AfterFunc(ctx, func() { time.AfterFunc(grace, cancel) })
	return call, func() { stop(); cancel() }
}

// Numbers of errors. That of a document that is not there is not that of a collection that is not there. A collection
// is refused for want of servers before anything of it is written.
const (
	documentMissing = 1202
	keyTaken        = 1210
	tooFewServers   = 1487
)

func answeredWith(err error, number int) bool {
	var answer *client.Error
	return errors.As(err, &answer) && answer.Number == number
}

// picker chooses among n things: all alike, or by a Zipf distribution.
func (s *session) picker(n int) func() int {
	if s.spec.Skew == 0 {
		return func() int { return s.random.IntN(n) }
	}
	weights := zipf(n, s.spec.Skew)
	return func() int { return chosen(weights, s.random.Float64()) }
}
