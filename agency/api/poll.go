package api

import (
	"compress/gzip"
	"context"
	"fmt"
	"math"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"stasis/agency/answer"
	"stasis/agency/asyncjob"
	"stasis/agency/readindex"
	"stasis/agency/tree"
	"stasis/fsm"
)

const (
	// defaultPoll is the timeout of a poll that names none.
	defaultPoll = 60 * time.Second
	longestPoll = time.Hour
)

// watch answers polls.
type watch struct {
	leader Leader
	reader *readindex.Reader
	tree   *tree.Replica
	queues *answer.Queues
	cache  pollCache
}

// poll answers at once with the tree or the log if there is something to tell, and waits for the
// next change otherwise. If it runs as a job, its answer is stored before any write that answers
// it is answered itself.
func (s *watch) poll(w http.ResponseWriter, r *http.Request) error {
	from, timeout, err := pollArguments(r.URL.Query())
	if err != nil {
		return err
	}
	if b, later := w.(*asyncjob.Job); later {
		defer s.tree.At(from, func(state *fsm.State) {
			if entries, kept := state.Log(from); kept {
				writePolled(b, polled{log: entries, commit: state.Index(), first: from}.encode(), false)
				b.Finish()
			}
		})()
		b.Park()
	}
	text, err := s.wait(r.Context(), from, timeout)
	if err != nil {
		return err
	}
	if text.large != nil {
		return s.sendPolled(w, r, text.large)
	}
	_, later := w.(*asyncjob.Job)
	if packed := text.packed(); packed != nil && !later && acceptsGzip(r.Header) {
		writePolled(w, packed, true)
	} else {
		writePolled(w, text.plain, false)
	}
	return nil
}

// sendPolled sends a large answer, compressed if the client accepts that.
func (s *watch) sendPolled(w http.ResponseWriter, r *http.Request, p *polled) error {
	w.Header()["Content-Type"] = answer.JSON
	_, later := w.(*asyncjob.Job)
	if later || !acceptsGzip(r.Header) {
		return s.queues.Of(r).Send(r.Context(), w, p.bytes(), p.write)
	}
	w.Header().Set("Content-Encoding", "gzip")
	return s.queues.Of(r).Send(r.Context(), w, p.bytes(), func(flush func([]byte) []byte) []byte {
		packer := packers.Get().(*gzip.Writer)
		defer packers.Put(packer)
		packer.Reset(answer.Flusher(flush))
		into := func(piece []byte) []byte {
			_, _ = packer.Write(piece) // its writer never fails: it ends the connection
			return piece[:0]
		}
		into(p.write(into))
		_ = packer.Close() // as above
		return nil
	})
}

func acceptsGzip(h http.Header) bool {
	for _, coding := range strings.Split(h.Get("Accept-Encoding"), ",") {
		if strings.TrimSpace(coding) == "gzip" {
			return true
		}
	}
	return false
}

func writePolled(w http.ResponseWriter, text []byte, packed bool) {
	w.Header()["Content-Type"] = answer.JSON
	if packed {
		w.Header().Set("Content-Encoding", "gzip")
	}
	w.Header().Set("Content-Length", strconv.Itoa(len(text)))
	w.WriteHeader(http.StatusOK)
	_, _ = w.Write(text) // the client may be gone
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

// wait gives the log from an index on, or the whole tree if the log does not reach back to it
// (it never does to 0). If the index is not reached yet it waits for that; after timeout the log
// is empty.
//
// What is answered at once is confirmed by a linearizable read, so that no client begins to
// follow a deposed leader. A client that waits for something new is not confirmed first: entries
// that are applied here are committed, wherever the leader is.
func (s *watch) wait(ctx context.Context, from uint64, timeout time.Duration) (*polledText, error) {
	l, err := s.leader.Serving(ctx)
	if err != nil {
		return nil, err
	}
	changed, leave := s.tree.Followers.Join()
	defer leave()
	state := s.tree.State()
	if from <= state.Index() {
		// While the tree changes all the time, a client that lags waits for the others, too.
		if soon := s.tree.Followers.Next(); soon != nil && from > 0 {
			select {
			case <-soon:
			case <-ctx.Done():
			}
		}
		if state, l, err = s.reader.Read(ctx); err != nil {
			return nil, err
		}
	}
	timer := time.NewTimer(timeout)
	defer timer.Stop()
	for from > state.Index() {
		select {
		case <-changed:
			changed = s.tree.Followers.Changed() // before the state, so that no change is missed
			state = s.tree.State()
		case <-timer.C:
			return s.cache.encode(polled{commit: state.Index(), first: state.Index()}), nil
		case <-l.Lost():
			return nil, fmt.Errorf("leadership ended while waiting: %w", errPollEnded)
		case <-ctx.Done():
			return nil, fmt.Errorf("%w: %w", errPollEnded, context.Cause(ctx))
		}
	}
	if entries, kept := state.Log(from); kept {
		return s.cache.encode(polled{log: entries, commit: state.Index(), first: from}), nil
	}
	return s.cache.encode(polled{tree: s.tree.Present(state).Root(), commit: state.Index()}), nil
}

// errPollEnded answers 503 to a poll that cannot go on here. Nothing was missed: the client asks
// the next leader for the same index.
var errPollEnded = plainError{http.StatusServiceUnavailable, "poll ended: " + noLeader}
