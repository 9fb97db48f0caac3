package agency

import (
	"context"
	"fmt"
	"math"
	"net/http"
	"net/url"
	"strconv"
	"sync"
	"time"

	"stasis/fsm"
)

const (
	defaultPoll = 60 * time.Second
	longestPoll = time.Hour
)

// polled is the result of a poll: a whole tree, or the log from an index on.
type polled struct {
	tree   *fsm.Node // nil: the log
	log    []fsm.Entry
	commit uint64
	first  uint64
}

// poll is the watch: it answers at once with the tree or the log if there is
// something to tell, and waits for the next change otherwise. The answer to one
// that is run as a job is stored before any write that fires it is answered.
func (s *api) poll(w http.ResponseWriter, r *http.Request) error {
	from, timeout, err := pollArguments(r.URL.Query())
	if err != nil {
		return err
	}
	if b, later := w.(*job); later {
		defer s.agent.machine.fire(from, func(state *fsm.State) {
			if entries, kept := state.Log(from); kept {
				writePolled(b, polled{log: entries, commit: state.Index(), first: from}.encode())
				b.finish()
			}
		})()
		b.park()
	}
	text, err := s.agent.poll(r.Context(), from, timeout)
	if err != nil {
		return err
	}
	writePolled(w, text)
	return nil
}

func writePolled(w http.ResponseWriter, text []byte) {
	w.Header().Set("Content-Type", jsonType)
	w.WriteHeader(http.StatusOK)
	_, _ = w.Write(text) // the client may be gone
}

// encode writes the answer.
func (p polled) encode() []byte {
	to := append(make([]byte, 0, 256), `{"error":false,"code":200,"result":{"commitIndex":`...)
	to = strconv.AppendUint(to, p.commit, 10)
	to = append(to, `,"firstIndex":`...)
	to = strconv.AppendUint(to, p.first, 10)
	if p.tree != nil {
		return append(p.tree.AppendJSON(append(to, `,"readDB":`...)), "}}"...)
	}
	to = append(to, `,"log":[`...)
	for i, e := range p.log {
		if i > 0 {
			to = append(to, ',')
		}
		to = e.AppendJSON(to)
	}
	return append(to, "]}}"...)
}

// pollCache is the newest answer that told of a change. Followers wait for the
// same index, so one text serves them all.
type pollCache struct {
	mu    sync.Mutex
	first uint64
	upTo  uint64
	text  []byte
}

func (c *pollCache) encode(p polled) []byte {
	if p.tree != nil || len(p.log) == 0 {
		return p.encode()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.first != p.first || c.upTo != p.commit {
		c.first, c.upTo, c.text = p.first, p.commit, p.encode()
	}
	return c.text
}

func pollArguments(q url.Values) (from uint64, timeout time.Duration, err error) {
	timeout = defaultPoll
	if v := q.Get("index"); v != "" {
		if from, err = strconv.ParseUint(v, 10, 64); err != nil {
			return 0, 0, badRequest("index: %v", err)
		}
	}
	if v := q.Get("timeout"); v != "" {
		seconds, err := strconv.ParseFloat(v, 64)
		if err != nil || math.IsNaN(seconds) || seconds < 0 {
			return 0, 0, badRequest("timeout is no number of seconds: %q", v)
		}
		timeout = time.Duration(min(seconds, longestPoll.Seconds()) * float64(time.Second))
	}
	return from, timeout, nil
}

// poll gives the log from an index on, or the whole tree if the log does not
// reach back to it (it never does to 0). If the index is not reached yet it waits
// for that; after timeout the log is empty.
//
// What is answered at once is confirmed like a read, so that nobody starts to
// watch from a deposed leader. Who waits for something new is not confirmed
// first: entries applied here are committed wherever the leader is.
func (a *Agent) poll(ctx context.Context, from uint64, timeout time.Duration) ([]byte, error) {
	o, err := a.office(ctx)
	if err != nil {
		return nil, err
	}
	state, changed, gone := a.machine.follow()
	defer gone()
	if from <= state.Index() {
		// While the tree changes all the time, also who lags waits for the others.
		if soon := a.machine.striking(); soon != nil && from > 0 {
			select {
			case <-soon:
			case <-ctx.Done():
			}
		}
		if state, o, err = a.read(ctx); err != nil {
			return nil, err
		}
	}
	timer := time.NewTimer(timeout)
	defer timer.Stop()
	for from > state.Index() {
		select {
		case <-changed:
			state, changed = a.machine.pulse()
		case <-timer.C:
			return polled{commit: state.Index(), first: state.Index()}.encode(), nil
		case <-o.held.Done():
			return nil, fmt.Errorf("leadership ended while waiting: %w", errPollEnded)
		case <-ctx.Done():
			return nil, fmt.Errorf("%w: %w", errPollEnded, context.Cause(ctx))
		}
	}
	if entries, kept := state.Log(from); kept {
		return a.polls.encode(polled{log: entries, commit: state.Index(), first: from}), nil
	}
	return polled{tree: now(state).Root(), commit: state.Index()}.encode(), nil
}

// errPollEnded is a poll that cannot go on here: 503, and nothing was missed.
var errPollEnded = plainError{http.StatusServiceUnavailable, "poll ended: " + noLeader}
