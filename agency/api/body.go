package api

import (
	"errors"
	"math"
	"net/http"

	"stasis/agency/asyncjob"
	"stasis/agency/quota"
	"stasis/fsm"
	"stasis/internal/apierror"
	"stasis/internal/budget"
)

// What a body takes in memory when it is parsed, beside its text: TestCostOfEnvelopes measures
// it. Bodies up to uncountedUpTo bytes are not counted.
const (
	costOfValue   = 256
	costOfByte    = 2
	allDepths     = math.MaxInt
	uncountedUpTo = 64
)

func costOf(raw []byte) int64 {
	return costOfValue*budget.Values(raw, allDepths) + costOfByte*int64(len(raw))
}

// bodies reads the bodies of requests.
type bodies struct {
	max    int64 // bytes
	leader Leader
	tree   Tree
}

// read reads a request's body whole, and takes from the budget of the request what the body
// becomes when it is parsed. The body of a job was read before.
func (b bodies) read(r *http.Request) ([]byte, error) {
	if raw, ok := asyncjob.Body(r); ok {
		return raw, nil
	}
	account := budget.Of(r.Context())
	most := b.allowed()
	if most < b.max && r.ContentLength > most {
		return nil, tooLarge(r.ContentLength)
	}
	raw, err := budget.ReadAll(account, r.Body, most, r.ContentLength)
	var known *apierror.Error
	switch {
	case errors.As(err, &known):
		return nil, err
	case err != nil:
		return nil, badRequest("read request body: %v", err)
	}
	if len(raw) > uncountedUpTo {
		err = account.Take(costOf(raw))
	}
	return raw, err
}

// allowed bounds a body before it is read. Only the holder of the agency lock may send a large
// one. Only a leader that serves knows whether there is a holder: it has applied all that was
// acknowledged.
func (b bodies) allowed() int64 {
	l := b.leader.Current()
	if l == nil || !l.Serves() || fsm.HasHolder(b.tree.State().Root()) {
		return b.max
	}
	return min(b.max, quota.MaxEnvelope)
}
