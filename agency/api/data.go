package api

import (
	"context"
	"net/http"
	"strconv"

	"stasis/agency/answer"
	"stasis/agency/keys"
	"stasis/agency/member"
	"stasis/agency/observer"
	"stasis/agency/proposer"
	"stasis/agency/quota"
	"stasis/agency/readindex"
	"stasis/fsm"
	"stasis/internal/apierror"
	"stasis/internal/budget"
)

// modeHeader says how long a client wants to wait: noWait, or (the default, also for anything
// else) for the commit.
const modeHeader = "X-ArangoDB-Agency-Mode"

// data answers requests for what the tree holds.
type data struct {
	id       string // of this agent
	bodies   bodies
	bounds   bounds
	queues   *answer.Queues
	leader   Leader
	reader   *readindex.Reader
	proposer *proposer.Proposer
	members  *member.Members
	tree     Tree
	quota    *quota.Quota
}

func newData(o Options, b bodies, q *answer.Queues) *data {
	return &data{
		id: o.Self.ID, bodies: b, bounds: bounds{leader: o.Leader, tree: o.Tree, quota: o.Quota}, queues: q,
		leader: o.Leader, reader: o.Reader, proposer: o.Proposer, members: o.Members, tree: o.Tree, quota: o.Quota,
	}
}

// serve makes a handler of a data call.
func (s *data) serve(call dataCall) func(http.ResponseWriter, *http.Request) error {
	return func(w http.ResponseWriter, r *http.Request) error {
		raw, err := s.bodies.read(r)
		if err != nil {
			return err
		}
		if err := s.bounds.admit(r.Context(), raw); err != nil {
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
			return s.queues.Of(r).Send(r.Context(), w, text.bytes, text.write)
		}
		if len(text.whole) > countedBytes {
			w.Header().Set("Content-Length", strconv.Itoa(len(text.whole)))
		}
		w.WriteHeader(status)
		_, _ = w.Write(text.whole) // the client may be gone
		return nil
	}
}

// parse reads an envelope and refuses it if it is too large, or registers an observer at the
// address of a stranger.
func (s *data) parse(c callOf, read func([]byte) (envelope, error)) (envelope, error) {
	e, err := read(c.body)
	if err == nil {
		err = s.bounds.fits(e)
	}
	if err == nil {
		err = s.mayObserve(c.ctx, e)
	}
	return e, err
}

// mayObserve refuses an envelope that registers a callback at a stranger's address. It goes by a
// linearizable read, so a follower does not judge, and a registration that was acknowledged
// counts.
func (s *data) mayObserve(ctx context.Context, e envelope) error {
	var urls []string
	for _, tx := range e.transactions {
		urls = append(urls, tx.Observes()...)
	}
	if len(urls) == 0 {
		return nil
	}
	state, l, err := s.reader.Read(ctx)
	if err != nil {
		return err
	}
	members := observer.Members(state, s.members.Endpoints(l))
	for _, u := range urls {
		if err := members.Refuse(u); err != nil {
			return forbidden("observe: %v", err)
		}
	}
	return nil
}

// read answers queries from a state that has everything which was acknowledged before.
func (s *data) read(c callOf) (int, text, error) {
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
	state, _, err := s.reader.Read(c.ctx)
	if err != nil {
		return 0, text{}, err
	}
	state = s.tree.Present(state)
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
	case size > max(maxShown, 2*state.Weight()):
		return 0, text{}, apierror.New(apierror.EntityTooLarge, "the queries ask for about %d bytes, several times the whole tree: ask for each part once", size)
	}
	return http.StatusOK, text{write: answer.List(parts), bytes: size}, nil
}
