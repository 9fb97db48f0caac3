package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"

	dbclient "stasis/dbserver/client"
	"stasis/internal/apierror"
	"stasis/internal/budget"
	"stasis/internal/network"
)

const (
	maxDocumentsBody = 256 << 20 // of requests with documents, by default
	maxCommandBody   = 64 << 20  // of all others; a Plan dump must fit
)

func only(method string, h http.HandlerFunc) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != method {
			w.Header().Set("Allow", method)
			apierror.Write(w, apierror.New(apierror.MethodNotAllowed, "method %s not supported for '%s'", r.Method, r.URL.Path))
			return
		}
		h(w, r)
	})
}

// Request is a decoded request.
type Request[Q any] struct {
	Shard string    // of the path; "" if it has none
	Named bool      // it has a session and a number, and is done once
	Until time.Time // how long it waits at the gate; zero: as long as its client is there
	Body  Q
}

// errStarting answers requests that come before the server is ready.
var errStarting error = apierror.New(apierror.StartingUp, "server is starting")

// errUnnamed refuses a write that could be done twice.
var errUnnamed error = apierror.New(apierror.BadParameter, "a write needs a session and a number: header %s", dbclient.WriteHeader)

// nothing is an answer without content.
type nothing struct{}

// What a request holds when it is decoded, beside its text: each of its operations or
// records, and copies of the documents in them.
const (
	costOfOperation = 512
	costOfByte      = 2
)

// ClassOf tells requests that servers need of each other to go on from those of clients.
// Clients have a share of the memory of their own, so their requests keep no server out.
func ClassOf(r *http.Request) budget.Class {
	path := r.URL.Path
	if !strings.HasPrefix(path, dbclient.PathPrefix) || clientPath(path) {
		return budget.Client
	}
	return budget.Peer
}

// clientPath says whether a request is made on behalf of a client of a coordinator. What goes on with a transaction, or ends it,
// is not among them: it frees what others wait for.
func clientPath(path string) bool {
	for _, of := range []string{dbclient.PathSession, dbclient.PathDocs, dbclient.PathScan, dbclient.PathCount, dbclient.PathTruncate, dbclient.PathChecksum, dbclient.PathTxnOpen} {
		before, after, _ := strings.Cut(of, "{shard}")
		if strings.HasPrefix(path, before) && strings.HasSuffix(path, after) {
			return true
		}
	}
	return false
}

func decode[Q any](r *http.Request, limit int64) (q Request[Q], err error) {
	q.Shard, q.Named = r.PathValue("shard"), r.Header.Get(dbclient.WriteHeader) != ""
	if q.Until, err = dbclient.Until(r.Header); err != nil {
		return q, apierror.New(apierror.BadParameter, "%w", err)
	}
	account := budget.Of(r.Context())
	raw, err := budget.ReadAll(account, r.Body, limit, r.ContentLength)
	if err != nil {
		return q, network.BodyError(err)
	}
	// Operations and records lie in an array in the request's object.
	if err := account.Take(costOfOperation*budget.Values(raw, 2) + costOfByte*int64(len(raw))); err != nil {
		return q, err
	}
	if err := json.Unmarshal(raw, &q.Body); err != nil {
		return q, apierror.New(apierror.CorruptedJSON, "request body: %w", err)
	}
	return q, nil
}

// because replaces an error that only says that the context ended by why it ended.
func because(ctx context.Context, err error) error {
	if why := context.Cause(ctx); err != nil && why != nil && errors.Is(err, context.Canceled) {
		return why
	}
	return err
}

func reply(ctx context.Context, w http.ResponseWriter, answer any, err error) {
	if err != nil {
		apierror.Write(w, err)
		return
	}
	body, err := dbclient.Encode(answer)
	if err != nil {
		apierror.Write(w, fmt.Errorf("encode answer: %w", err))
		return
	}
	budget.Of(ctx).Owe(int64(cap(body)))
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	_, _ = w.Write(body) // the client is gone: there is no one left to tell
}

// duration reads a number of seconds from a request.
func duration(what string, seconds float64, limit time.Duration) (time.Duration, error) {
	if math.IsNaN(seconds) || seconds <= 0 || seconds > limit.Seconds() {
		return 0, apierror.New(apierror.BadParameter, "%s of %g s: want more than 0 and at most %s", what, seconds, limit)
	}
	return time.Duration(seconds * float64(time.Second)), nil
}
