package agency

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"stasis/fsm"
)

// modeHeader says how long a client wants to wait: noWait, or (the default, also
// for anything else) for the commit.
const modeHeader = "X-ArangoDB-Agency-Mode"

func noWait(r *http.Request) bool { return r.Header.Get(modeHeader) == "noWait" }

// indexes is the answer to write and inquire.
type indexes struct {
	Results  []uint64 `json:"results"`
	Inquired bool     `json:"inquired,omitempty"`
	Ongoing  bool     `json:"ongoing,omitempty"`
}

// write applies the transactions of an envelope.
func (s *api) write(w http.ResponseWriter, r *http.Request) error {
	raw, err := s.body(w, r)
	if err != nil {
		return err
	}
	e, err := parseWrite(raw)
	if err != nil {
		return err
	}
	if noWait(r) {
		return s.writeLater(w, r, e)
	}
	done, err := s.agent.commit(r.Context(), e)
	if err != nil {
		return err
	}
	results := indexes{Results: make([]uint64, len(e.elements))}
	for i, el := range e.elements {
		results.Results[i] = done.outcome(el).Index
	}
	answer(w, done.status(e), results)
	return nil
}

// writeLater answers before the transactions have an outcome.
func (s *api) writeLater(w http.ResponseWriter, r *http.Request, e envelope) error {
	if _, err := s.agent.office(r.Context()); err != nil {
		return err
	}
	if len(e.transactions) > 0 {
		s.agent.proposer.enqueue(e.transactions, e.bytes)
	}
	answer(w, http.StatusOK, struct{}{})
	return nil
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
func (s *api) transact(w http.ResponseWriter, r *http.Request) error {
	raw, err := s.body(w, r)
	if err != nil {
		return err
	}
	e, err := parseTransact(raw)
	if err != nil {
		return err
	}
	done, err := s.agent.commit(r.Context(), e)
	if err != nil {
		return err
	}
	status := done.status(e)
	entries := make([]any, 0, len(e.elements))
	state := done.before // after the transactions so far
	for _, el := range e.elements {
		if el.query != nil {
			entries = append(entries, now(state).Read(el.query))
			continue
		}
		o := done.outcome(el)
		if o.State != nil {
			state = o.State
		}
		entry, applied := entryOf(o)
		if entries = append(entries, entry); !applied && status == http.StatusOK {
			status = http.StatusPreconditionFailed
		}
	}
	answer(w, status, entries)
	return nil
}

// entryOf is a transaction's entry in the answer: its index, or the values at the
// keys whose preconditions failed.
func entryOf(o fsm.Outcome) (entry any, applied bool) {
	if o.Index == 0 && len(o.Failed) > 0 {
		return o.State.Read(o.Failed), false
	}
	return o.Index, o.Index > 0
}

// transient is transact on the tree in the leader's memory.
func (s *api) transient(w http.ResponseWriter, r *http.Request) error {
	raw, err := s.body(w, r)
	if err != nil {
		return err
	}
	e, err := parseTransact(raw)
	if err != nil {
		return err
	}
	o, err := s.agent.office(r.Context())
	if err != nil {
		return err
	}
	entries := make([]any, 0, len(e.elements))
	for _, el := range e.elements {
		switch {
		case el.query != nil:
			entries = append(entries, o.transient.state().Read(el.query))
		case el.slot < 0:
			entries = append(entries, false)
		default:
			entries = append(entries, o.transient.apply(e.transactions[el.slot]).Index > 0)
		}
	}
	answer(w, http.StatusOK, entries)
	return nil
}

// read answers queries from a state that has everything acknowledged before.
func (s *api) read(w http.ResponseWriter, r *http.Request) error {
	raw, err := s.body(w, r)
	if err != nil {
		return err
	}
	items, err := list(raw)
	if err != nil {
		return err
	}
	queries := make([][]string, len(items))
	for i, item := range items {
		if queries[i], err = parseQuery(item); err != nil {
			return badRequest("query %d: %v", i, err)
		}
	}
	state, _, err := s.agent.read(r.Context())
	if err != nil {
		return err
	}
	results := make([]*fsm.Node, len(queries))
	for i, q := range queries {
		results[i] = now(state).Read(q)
	}
	answer(w, http.StatusOK, results)
	return nil
}

// inquire says which index the latest transaction with a client id has. It waits
// until whatever this leader was asked before with that id has an outcome: an
// answer 0 means that nothing of it will be applied later.
func (s *api) inquire(w http.ResponseWriter, r *http.Request) error {
	raw, err := s.body(w, r)
	if err != nil {
		return err
	}
	var ids []string
	if err := json.Unmarshal(raw, &ids); err != nil || ids == nil {
		return badRequest("request body is no array of client ids")
	}
	result := indexes{Inquired: true, Results: make([]uint64, len(ids))}
	if noWait(r) {
		// Before the state is read: what is not pending then is in it.
		result.Ongoing = len(s.agent.proposer.pending(ids)) > 0
	} else if err := s.agent.settled(r.Context(), ids); err != nil {
		return err
	}
	state, _, err := s.agent.read(r.Context())
	if err != nil {
		return err
	}
	status := http.StatusOK
	for i, id := range ids {
		if result.Results[i] = state.Inquire(id); result.Results[i] == 0 {
			status = http.StatusNotFound
		}
	}
	answer(w, status, result)
	return nil
}

// settled waits until no transaction that was asked for before, and carries one
// of the ids, is on its way any more.
func (a *Agent) settled(ctx context.Context, ids []string) error {
	ctx, cancel := context.WithTimeout(ctx, a.timing.Write)
	defer cancel()
	for _, e := range a.proposer.pending(ids) {
		select {
		case <-e.done:
		case <-ctx.Done():
			return fmt.Errorf("%w: %w: a transaction is still on its way", ErrUnknown, ErrTimeout)
		}
	}
	return nil
}

// now is a state as a client sees it at this moment: without what has expired.
func now(s *fsm.State) *fsm.State { return s.AsOf(time.Now().UnixMilli()) }
