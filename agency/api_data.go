package agency

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"time"

	"stasis/agency/answer"
	"stasis/agency/keys"
	"stasis/agency/quota"
	"stasis/fsm"
	"stasis/internal/apierror"
	"stasis/internal/budget"
	"stasis/internal/failpoint"
)

// modeHeader says how long a client wants to wait: noWait, or (the default, also
// for anything else) for the commit.
const modeHeader = "X-ArangoDB-Agency-Mode"

// callOf is a request for data, free of HTTP.
type callOf struct {
	ctx    context.Context
	body   []byte // the call may keep it
	noWait bool
	once   bool // see keys.OnceHeader
}

// dataCall answers a request for data with a status and a JSON text, or says why not.
type dataCall func(callOf) (status int, text text, err error)

// text is an answer: written out, or, if that would be large, still to be written.
type text struct {
	whole []byte
	write answer.Stream // nil: whole is all
	bytes int64         // about
}

func written(whole []byte) text { return text{whole: whole} }

// countedBytes is up to which length net/http counts an answer itself, cheaper.
const countedBytes = 2000

// serveData makes a handler of a data call.
func (s *api) serveData(call dataCall) func(http.ResponseWriter, *http.Request) error {
	return func(w http.ResponseWriter, r *http.Request) error {
		raw, err := s.body(r)
		if err != nil {
			return err
		}
		if err := s.agent.letIn(r.Context(), raw); err != nil {
			return err
		}
		status, text, err := call(callOf{
			ctx: r.Context(), body: raw, noWait: r.Header.Get(modeHeader) == "noWait", once: r.Header.Get(keys.OnceHeader) != "",
		})
		if err != nil {
			return err
		}
		budget.Of(r.Context()).Owe(int64(cap(text.whole)))
		w.Header()["Content-Type"] = answer.JSON
		if text.write != nil {
			return s.agent.queues.Of(r).Send(r.Context(), w, text.bytes, text.write)
		}
		if len(text.whole) > countedBytes {
			w.Header().Set("Content-Length", strconv.Itoa(len(text.whole)))
		}
		w.WriteHeader(status)
		_, _ = w.Write(text.whole) // the client may be gone
		return nil
	}
}

// appendResults begins the answer to write and inquire.
func appendResults(to []byte, results []uint64) []byte {
	to = append(to, `{"results":[`...)
	for i, index := range results {
		if i > 0 {
			to = append(to, ',')
		}
		to = strconv.AppendUint(to, index, 10)
	}
	return append(to, ']')
}

// write applies the transactions of an envelope.
func (s *api) write(c callOf) (int, text, error) {
	e, err := parseWrite(c.body)
	if err == nil {
		err = s.agent.fits(e)
	}
	if err == nil {
		err = s.agent.mayObserve(c.ctx, e)
	}
	if err != nil {
		return 0, text{}, err
	}
	if c.noWait {
		return s.writeLater(c.ctx, e)
	}
	done, err := s.agent.commit(c.ctx, e, c.once)
	if err == nil {
		err = done.refusal(e)
	}
	if err != nil {
		return 0, text{}, err
	}
	results := make([]uint64, len(e.elements))
	for i, el := range e.elements {
		results[i] = done.outcome(el).Index
	}
	return done.status(e), written(append(appendResults(make([]byte, 0, 32+8*len(results)), results), '}')), nil
}

// writeLater answers before the transactions have an outcome.
func (s *api) writeLater(ctx context.Context, e envelope) (int, text, error) {
	if _, err := s.agent.office(ctx); err != nil {
		return 0, text{}, err
	}
	if waiting := s.agent.proposer.waiting(); waiting > maxWaiting {
		return 0, text{}, budget.Refusal("%d bytes of transactions wait to be proposed, more that do not wait for an outcome are not taken: try again later", waiting)
	}
	if len(e.transactions) > 0 {
		s.agent.proposer.enqueue(s.agent.machine.quota.OfClients(e.transactions), e.bytes)
	}
	return http.StatusOK, written([]byte("{}")), nil
}

// maxWaiting bounds what waits in the queue when a transaction comes that does not wait
// for its outcome: nothing else keeps its client from sending more.
const maxWaiting = 4 << 20

// committed is what became of an envelope.
type committed struct {
	before   *fsm.State
	outcomes []fsm.Outcome
}

// commit brings an envelope to its outcome. One without transactions for the log
// is a read.
func (a *Agent) commit(ctx context.Context, e envelope, once bool) (committed, error) {
	if len(e.transactions) == 0 {
		state, _, err := a.read(ctx)
		return committed{before: state}, err
	}
	if err := failpoint.Hit(ctx, "agency/write", a.id); err != nil {
		return committed{}, err
	}
	p := newProposal(a.machine.quota.OfClients(e.transactions), e.bytes)
	if once {
		p.once = clientIDs(p.transactions)
	}
	p, err := a.propose(ctx, p)
	if err != nil {
		return committed{}, err
	}
	return committed{before: p.before, outcomes: p.outcomes}, nil
}

// outcome is that of an element; the zero Outcome if it was not proposed.
func (c committed) outcome(el element) fsm.Outcome {
	if el.slot < 0 {
		return fsm.Outcome{}
	}
	return c.outcomes[el.slot]
}

// status counts every transaction of the envelope.
func (c committed) status(e envelope) int {
	if e.forbidden {
		return http.StatusForbidden
	}
	for _, o := range c.outcomes {
		if errors.Is(o.Reason, fsm.ErrPrecondition) {
			return http.StatusPreconditionFailed
		}
	}
	return http.StatusOK
}

// refusal is why nothing of an envelope was applied, if it is the tree's quota. Where
// something was, or a precondition failed as well, the results tell.
func (c committed) refusal(e envelope) error {
	var refused error
	for _, o := range c.outcomes {
		if o.Index > 0 {
			return nil
		}
		if quota.Refused(o) {
			refused = quota.Error(o)
		}
	}
	if c.status(e) != http.StatusOK {
		return nil
	}
	return refused
}

// read answers queries from a state that has everything acknowledged before.
func (s *api) read(c callOf) (int, text, error) {
	items, err := list(c.body)
	if err != nil {
		return 0, text{}, err
	}
	queries := make([][]string, len(items))
	for i, item := range items {
		if queries[i], err = parseQuery(item); err != nil {
			return 0, text{}, badRequest("query %d: %v", i, err)
		}
	}
	state, _, err := s.agent.read(c.ctx)
	if err != nil {
		return 0, text{}, err
	}
	state = now(state)
	parts, size := make([]*fsm.Node, len(queries)), int64(0)
	for i, q := range queries {
		parts[i] = state.Read(q)
		size = quota.Plus(size, parts[i].Weight())
	}
	switch {
	case size <= answer.LargeFrom:
		var results entryList
		for _, part := range parts {
			results.node(part)
		}
		return http.StatusOK, written(results.end()), nil
	case size > max(showBytes, 2*state.Weight()):
		return 0, text{}, apierror.New(apierror.EntityTooLarge, "the queries ask for about %d bytes, several times the whole tree: ask for each part once", size)
	}
	return http.StatusOK, text{write: answer.List(parts), bytes: size}, nil
}

// now is a state as a client sees it at this moment: without what has expired.
func now(s *fsm.State) *fsm.State { return s.AsOf(time.Now().UnixMilli()) }
