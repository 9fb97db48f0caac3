package agency

import (
	"cmp"
	"errors"
	"net/http"
	"strconv"

	"stasis/agency/outcome"
	"stasis/fsm"
)

// transact applies transactions and reads between them, in order.
func (s *api) transact(c callOf) (int, text, error) {
	e, err := parseTransact(c.body)
	if err == nil {
		err = errors.Join(s.agent.fits(e), showsTooMuch(s.agent.tree.State(), e))
	}
	if err == nil {
		err = s.agent.mayObserve(c.ctx, e)
	}
	if err != nil {
		return 0, text{}, err
	}
	done, err := s.agent.commit(c.ctx, e, c.once)
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
	return status, written(entries.end()), nil
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
func (s *api) transient(c callOf) (int, text, error) {
	e, err := parseTransact(c.body)
	if err == nil {
		err = s.agent.fits(e)
	}
	if err != nil {
		return 0, text{}, err
	}
	o, err := s.agent.office(c.ctx)
	if err == nil {
		err = showsTooMuch(o.transient.state(), e)
	}
	if err != nil {
		return 0, text{}, err
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
			return 0, text{}, cmp.Or(err, error(outcome.ErrNotLeader))
		}
	}
	return http.StatusOK, written(entries.end()), nil
}
