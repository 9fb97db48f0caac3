package api

import (
	"cmp"
	"net/http"
	"strconv"

	"stasis/agency/outcome"
)

// transact applies transactions and reads between them, in order.
func (s *data) transact(c callOf) (int, text, error) {
	e, err := s.parse(c, parseTransact)
	if err == nil {
		err = showsTooMuch(s.tree.State(), e)
	}
	if err != nil {
		return 0, text{}, err
	}
	done, err := s.commit(c.ctx, e, c.once)
	if err == nil {
		err = done.refusal(e)
	}
	if err != nil {
		return 0, text{}, err
	}
	status := done.status(e)
	var entries entryList
	state := done.before // after the transactions so far
	for _, el := range e.elements {
		if el.query != nil {
			entries.node(s.tree.Present(state).Read(el.query))
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
	return status, written(entries.end()), nil
}

// transient is transact on the tree in the leader's memory. If it has written, it answers only
// when this agent is known to have led afterwards: a server whose heartbeat was answered may
// count on the leader having it.
func (s *data) transient(c callOf) (int, text, error) {
	e, err := parseTransact(c.body)
	if err == nil {
		err = s.bounds.fits(e)
	}
	if err != nil {
		return 0, text{}, err
	}
	l, err := s.leader.Serving(c.ctx)
	if err == nil {
		err = showsTooMuch(l.Transient.State(), e)
	}
	if err != nil {
		return 0, text{}, err
	}
	var entries entryList
	wrote := false
	for _, el := range e.elements {
		switch {
		case el.query != nil:
			entries.node(l.Transient.State().Read(el.query))
		case el.slot < 0:
			entries.flag(false)
		default:
			entries.flag(l.Transient.Apply(e.transactions[el.slot]).Index > 0)
			wrote = true
		}
	}
	if wrote {
		if _, by, err := s.reader.Read(c.ctx); err != nil || by != l {
			return 0, text{}, cmp.Or(err, error(outcome.ErrNotLeader))
		}
	}
	return http.StatusOK, written(entries.end()), nil
}
