package client

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"slices"

	"stasis/internal/apierror"
	"stasis/internal/failpoint"
)

// request is one request to the coordinator.
type request struct {
	method, path string
	body         any    // sent as JSON, an io.Reader as it is
	ifMatch      string // "" or a revision
	transaction  string // "" or an id
	reads        bool   // it changes nothing, whatever the method
	marked       bool   // its errors say so themselves when the outcome is unknown
}

func (r request) changes() bool {
	return !r.reads && r.method != http.MethodGet && r.method != http.MethodHead
}

// reader is the body as it is sent.
func (r request) reader() (io.Reader, error) {
	switch b := r.body.(type) {
	case nil:
		return nil, nil
	case io.Reader:
		return b, nil
	default:
		raw, err := json.Marshal(b)
		return bytes.NewReader(raw), err
	}
}

// refusals are the numbers of errors with a status of 500 or more after which certainly
// nothing was done.
var refusals = []apierror.Num{
	apierror.NotImplemented, apierror.Unsupported, apierror.OnlyOnCoordinator, apierror.ShuttingDown,
	apierror.StartingUp, apierror.NoLeader, apierror.NotLeader, apierror.WrongEpoch, apierror.GateClosed, apierror.ContradictingAnswers,
	apierror.LockTimeout, apierror.Deadlock,
}

// mayHaveHappened says whether an answer leaves open if the change was made.
func (r request) mayHaveHappened(e *apierror.Error) bool {
	if unknown := e.Extra[apierror.Outcome] == apierror.OutcomeUnknown; r.marked || unknown {
		return unknown
	}
	return e.Status() >= http.StatusInternalServerError && !slices.Contains(refusals, e.Num) && !failpoint.Off("outcome-may-be-unknown")
}
