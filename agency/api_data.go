package agency

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"stasis/fsm"
)

// modeHeader says how long a client wants to wait: noWait, or (the default, also
// for anything else) for the commit.
const modeHeader = "X-ArangoDB-Agency-Mode"

// callOf is a request for data, free of HTTP.
type callOf struct {
	ctx    context.Context
	body   []byte // the call may keep it
	noWait bool
}

// dataCall answers a request for data with a status and a JSON text, or says why not.
type dataCall func(callOf) (status int, text []byte, err error)

// countedBytes is up to which length net/http counts an answer itself, cheaper.
const countedBytes = 2000

// serveData makes a handler of a data call.
func (s *api) serveData(call dataCall) func(http.ResponseWriter, *http.Request) error {
	return func(w http.ResponseWriter, r *http.Request) error {
		raw, err := s.body(w, r)
		if err != nil {
			return err
		}
		status, text, err := call(callOf{ctx: r.Context(), body: raw, noWait: r.Header.Get(modeHeader) == "noWait"})
		if err != nil {
			return err
		}
		w.Header()["Content-Type"] = jsonAnswer
		if len(text) > countedBytes {
			w.Header().Set("Content-Length", strconv.Itoa(len(text)))
		}
		w.WriteHeader(status)
		_, _ = w.Write(text) // the client may be gone
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
func (s *api) write(c callOf) (int, []byte, error) {
	e, err := parseWrite(c.body)
	if err == nil {
		err = s.agent.mayObserve(c.ctx, e)
	}
	if err != nil {
		return 0, nil, err
	}
	if c.noWait {
		return s.writeLater(c.ctx, e)
	}
	done, err := s.agent.commit(c.ctx, e)
	if err != nil {
		return 0, nil, err
	}
	results := make([]uint64, len(e.elements))
	for i, el := range e.elements {
		results[i] = done.outcome(el).Index
	}
	return done.status(e), append(appendResults(make([]byte, 0, 32+8*len(results)), results), '}'), nil
}

// writeLater answers before the transactions have an outcome.
func (s *api) writeLater(ctx context.Context, e envelope) (int, []byte, error) {
	if _, err := s.agent.office(ctx); err != nil {
		return 0, nil, err
	}
	if len(e.transactions) > 0 {
		s.agent.proposer.enqueue(e.transactions, e.bytes)
	}
	return http.StatusOK, []byte("{}"), nil
}

// committed is what became of an envelope.
type committed struct {
	before   *fsm.State
	outcomes []fsm.Outcome
}

// commit brings an envelope to its outcome. One without transactions for the log
// is a read.
func (a *Agent) commit(ctx context.Context, e envelope) (committed, error) {
	if len(e.transactions) == 0 {
		state, _, err := a.read(ctx)
		return committed{before: state}, err
	}
	p, err := a.propose(ctx, e.transactions, e.bytes)
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

// transact applies transactions and reads between them, in order.
func (s *api) transact(c callOf) (int, []byte, error) {
	e, err := parseTransact(c.body)
	if err == nil {
		err = s.agent.mayObserve(c.ctx, e)
	}
	if err != nil {
		return 0, nil, err
	}
	done, err := s.agent.commit(c.ctx, e)
	if err != nil {
		return 0, nil, err
	}
	status := done.status(e)
	var entries entryList
	state := done.before // after the transactions so far
	for _, el := range e.elements {
		if el.query != nil {
			entries.node(now(state).Read(el.query))
			continue
		}
		o := done.outcome(el)
		if o.State != nil {
			state = o.State
		}
		// A transaction's entry is its index, or the values at the keys whose
		// preconditions failed.
		if o.Index == 0 && len(o.Failed) > 0 {
			entries.node(o.State.Read(o.Failed))
		} else {
			entries.text = strconv.AppendUint(entries.next(), o.Index, 10)
		}
		if o.Index == 0 && status == http.StatusOK {
			status = http.StatusPreconditionFailed
		}
	}
	return status, entries.end(), nil
}

// entryList is a JSON array that is being written.
type entryList struct{ text []byte }

// next begins an entry.
func (l *entryList) next() []byte {
	if l.text == nil {
		return append(l.text, '[')
	}
	return append(l.text, ',')
}

func (l *entryList) node(n *fsm.Node) { l.text = n.AppendJSON(l.next()) }

func (l *entryList) flag(b bool) { l.text = strconv.AppendBool(l.next(), b) }

func (l *entryList) end() []byte {
	if l.text == nil {
		return []byte("[]")
	}
	return append(l.text, ']')
}

// transient is transact on the tree in the leader's memory. What is written is
// answered when this node is known to have led afterwards: a server whose heartbeat
// was answered may count on it that the leader has it.
func (s *api) transient(c callOf) (int, []byte, error) {
	e, err := parseTransact(c.body)
	if err != nil {
		return 0, nil, err
	}
	o, err := s.agent.office(c.ctx)
	if err != nil {
		return 0, nil, err
	}
	var entries entryList
	wrote := false
	for _, el := range e.elements {
		switch {
		case el.query != nil:
			entries.node(o.transient.state().Read(el.query))
		case el.slot < 0:
			entries.flag(false)
		default:
			entries.flag(o.transient.apply(e.transactions[el.slot]).Index > 0)
			wrote = true
		}
	}
	if wrote {
		if _, held, err := s.agent.read(c.ctx); err != nil || held != o {
			return 0, nil, cmp.Or(err, error(ErrNotLeader))
		}
	}
	return http.StatusOK, entries.end(), nil
}

// read answers queries from a state that has everything acknowledged before.
func (s *api) read(c callOf) (int, []byte, error) {
	items, err := list(c.body)
	if err != nil {
		return 0, nil, err
	}
	queries := make([][]string, len(items))
	for i, item := range items {
		if queries[i], err = parseQuery(item); err != nil {
			return 0, nil, badRequest("query %d: %v", i, err)
		}
	}
	state, _, err := s.agent.read(c.ctx)
	if err != nil {
		return 0, nil, err
	}
	state = now(state)
	var results entryList
	for _, q := range queries {
		results.node(state.Read(q))
	}
	return http.StatusOK, results.end(), nil
}

// inquire says which index the latest transaction with a client id has. It waits
// until whatever this leader was asked before with that id has an outcome: an
// answer 0 means that nothing of it will be applied later.
func (s *api) inquire(c callOf) (int, []byte, error) {
	var ids []string
	if err := json.Unmarshal(c.body, &ids); err != nil || ids == nil {
		return 0, nil, badRequest("request body is no array of client ids")
	}
	ongoing := false
	if c.noWait {
		// Before the state is read: what is not pending then is in it.
		ongoing = len(s.agent.proposer.pending(ids)) > 0
	} else if err := s.agent.settled(c.ctx, ids); err != nil {
		return 0, nil, err
	}
	state, _, err := s.agent.read(c.ctx)
	if err != nil {
		return 0, nil, err
	}
	results, status := make([]uint64, len(ids)), http.StatusOK
	for i, id := range ids {
		if results[i] = state.Inquire(id); results[i] == 0 {
			status = http.StatusNotFound
		}
	}
	text := append(appendResults(nil, results), `,"inquired":true`...)
	if ongoing {
		text = append(text, `,"ongoing":true`...)
	}
	return status, append(text, '}'), nil
}

// settled waits until no transaction that was asked for before, and carries one
// of the ids, is on its way any more.
func (a *Agent) settled(ctx context.Context, ids []string) error {
	ctx, cancel := context.WithTimeout(ctx, a.timing.Write)
	defer cancel()
	for _, e := range a.proposer.pending(ids) {
		select {
		case <-e.done:
		case <-a.gag.isOn():
			return fmt.Errorf("%w: %w", ErrNotLeader, errDiskHangs)
		case <-ctx.Done():
			return fmt.Errorf("%w: %w: a transaction is still on its way", ErrUnknown, ErrTimeout)
		}
	}
	return nil
}

// now is a state as a client sees it at this moment: without what has expired.
func now(s *fsm.State) *fsm.State { return s.AsOf(time.Now().UnixMilli()) }
