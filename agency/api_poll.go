package agency

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"math"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"stasis/agency/answer"
	"stasis/agency/asyncjob"
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
	if b, later := w.(*asyncjob.Job); later {
		defer s.agent.tree.At(from, func(state *fsm.State) {
			if entries, kept := state.Log(from); kept {
				writePolled(b, polled{log: entries, commit: state.Index(), first: from}.encode(), false)
				b.Finish()
			}
		})()
		b.Park()
	}
	text, err := s.agent.poll(r.Context(), from, timeout)
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
func (s *api) sendPolled(w http.ResponseWriter, r *http.Request, p *polled) error {
	w.Header()["Content-Type"] = answer.JSON
	_, later := w.(*asyncjob.Job)
	if later || !acceptsGzip(r.Header) {
		return s.agent.queues.Of(r).Send(r.Context(), w, p.bytes(), p.write)
	}
	w.Header().Set("Content-Encoding", "gzip")
	return s.agent.queues.Of(r).Send(r.Context(), w, p.bytes(), func(flush func([]byte) []byte) []byte {
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

// write writes the answer.
func (p polled) write(flush func([]byte) []byte) []byte {
	to := append(make([]byte, 0, 256), `{"error":false,"code":200,"result":{"commitIndex":`...)
	to = strconv.AppendUint(to, p.commit, 10)
	to = append(to, `,"firstIndex":`...)
	to = strconv.AppendUint(to, p.first, 10)
	if p.tree != nil {
		return append(p.tree.StreamJSON(append(to, `,"readDB":`...), flush), "}}"...)
	}
	to = append(to, `,"log":[`...)
	for i, e := range p.log {
		if i > 0 {
			to = append(to, ',')
		}
		to = answer.Flushed(e.AppendJSON(to), flush)
	}
	return append(to, "]}}"...)
}

func (p polled) encode() []byte { return answer.Stream(p.write).Whole() }

// bytes is about how large the answer is.
func (p polled) bytes() int64 {
	if p.tree != nil {
		return p.tree.Weight()
	}
	return sizeOf(p.log)
}

// sizeOf is about how large entries of the log are.
func sizeOf(log []fsm.Entry) (bytes int64) {
	for _, e := range log {
		bytes += e.Bytes()
	}
	return bytes
}

// polledText is an answer, written out. It may serve many.
type polledText struct {
	large *polled // still to be written; else nil
	plain []byte
	once  sync.Once
	gzip  []byte
}

// packedFrom is the size from which an answer is worth compressing: 100 followers of
// a busy tree would otherwise cost its leader more in bytes than in answers.
const packedFrom = 8 << 10

// packed is the answer compressed, once for all, nil if that is not worth it.
func (t *polledText) packed() []byte {
	t.once.Do(func() {
		if len(t.plain) < packedFrom {
			return
		}
		var to bytes.Buffer
		w := packers.Get().(*gzip.Writer)
		defer packers.Put(w)
		w.Reset(&to)
		if _, err := w.Write(t.plain); err == nil && w.Close() == nil { // a buffer takes everything
			t.gzip = to.Bytes()
		}
	})
	return t.gzip
}

// packers are large and used many times a second.
var packers = sync.Pool{New: func() any {
	w, _ := gzip.NewWriterLevel(nil, gzip.BestSpeed) // fails for an unknown level only
	return w
}}

// pollCache is the newest answer that told of a change, and the newest with a tree.
// Followers wait for the same index, so one text serves them all; so does one text of a
// tree, for all who ask while it is the newest.
type pollCache struct{ change, whole oneText }

// oneText is an answer that is written out once.
type oneText struct {
	mu    sync.Mutex
	tree  *fsm.Node
	first uint64
	upTo  uint64
	text  *polledText
}

// encode writes an answer out, if that is worth it: what is large is written from the tree
// for each who asks, see large.
func (c *pollCache) encode(p polled) *polledText {
	switch {
	case p.bytes() > answer.LargeFrom:
		return &polledText{large: &p}
	case p.tree != nil:
		return c.whole.of(p)
	case len(p.log) > 0:
		return c.change.of(p)
	}
	return &polledText{plain: p.encode()}
}

func (c *oneText) of(p polled) *polledText {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.text == nil || c.tree != p.tree || c.first != p.first || c.upTo != p.commit {
		c.tree, c.first, c.upTo, c.text = p.tree, p.first, p.commit, &polledText{plain: p.encode()}
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
func (a *Agent) poll(ctx context.Context, from uint64, timeout time.Duration) (*polledText, error) {
	o, err := a.office(ctx)
	if err != nil {
		return nil, err
	}
	changed, leave := a.tree.Followers.Join()
	defer leave()
	state := a.tree.State()
	if from <= state.Index() {
		// While the tree changes all the time, also who lags waits for the others.
		if soon := a.tree.Followers.Next(); soon != nil && from > 0 {
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
			changed = a.tree.Followers.Changed()
			state = a.tree.State()
		case <-timer.C:
			return a.polls.encode(polled{commit: state.Index(), first: state.Index()}), nil
		case <-o.held.Done():
			return nil, fmt.Errorf("leadership ended while waiting: %w", errPollEnded)
		case <-ctx.Done():
			return nil, fmt.Errorf("%w: %w", errPollEnded, context.Cause(ctx))
		}
	}
	if entries, kept := state.Log(from); kept {
		return a.polls.encode(polled{log: entries, commit: state.Index(), first: from}), nil
	}
	return a.polls.encode(polled{tree: now(state).Root(), commit: state.Index()}), nil
}

// errPollEnded is a poll that cannot go on here: 503, and nothing was missed.
var errPollEnded = plainError{http.StatusServiceUnavailable, "poll ended: " + noLeader}
