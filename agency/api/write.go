package api

import (
	"context"
	"errors"
	"net/http"

	"stasis/agency/proposer"
	"stasis/agency/quota"
	"stasis/fsm"
	"stasis/internal/failpoint"
)

// write applies the transactions of an envelope.
func (s *data) write(c callOf) (int, text, error) {
	e, err := s.parse(c, parseWrite)
	if err != nil {
		return 0, text{}, err
	}
	if c.noWait { // it is answered before the transactions have an outcome
		err := s.proposer.Queue(c.ctx, proposer.Envelope{Transactions: s.quota.OfClients(e.transactions), Bytes: e.bytes})
		return http.StatusOK, written([]byte("{}")), err
	}
	done, err := s.commit(c.ctx, e, c.once)
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

// committed is what became of an envelope.
type committed struct {
	before   *fsm.State
	outcomes []fsm.Outcome
}

// commit brings an envelope to its outcome. One without transactions for the log is a read.
func (s *data) commit(ctx context.Context, e envelope, once bool) (committed, error) {
	if len(e.transactions) == 0 {
		state, _, err := s.reader.Read(ctx)
		return committed{before: state}, err
	}
	if err := failpoint.Hit(ctx, "agency/write", s.id); err != nil {
		return committed{}, err
	}
	r, err := s.proposer.Propose(ctx, proposer.Envelope{Transactions: s.quota.OfClients(e.transactions), Bytes: e.bytes, Once: once})
	return committed{before: r.Before, outcomes: r.Outcomes}, err
}

// outcome is that of an element; zero if it was not proposed.
func (c committed) outcome(el element) fsm.Outcome {
	if el.slot < 0 {
		return fsm.Outcome{}
	}
	return c.outcomes[el.slot]
}

// status is the HTTP status: it counts every transaction of the envelope.
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

// refusal is why nothing of an envelope was applied, if the reason is the quota of the tree. If
// something was applied, or a precondition failed as well, the results tell.
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
