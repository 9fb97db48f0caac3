package dbserver

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"runtime/debug"
	"strconv"
	"strings"

	"stasis/agency/keys"
	dbclient "stasis/dbserver/client"
	"stasis/internal/apierror"
	"stasis/internal/budget"
	"stasis/internal/failpoint"
	"stasis/internal/network"
)

const (
	maxDocumentsBody = 256 << 20 // of requests with documents, by default
	maxCommandBody   = 64 << 20  // of all others; a Plan dump must fit
)

// routes are the paths that this server answers.
func (s *Server) routes() http.Handler {
	mux := http.NewServeMux()
	post := func(path string, h http.HandlerFunc) { mux.Handle(path, only(http.MethodPost, h)) }
	post(dbclient.PathDocs, onData(s, s.config.MaxBodyBytes, s.documents))
	post(dbclient.PathScan, onData(s, maxCommandBody, s.scan))
	post(dbclient.PathCount, onData(s, maxCommandBody, s.count))
	post(dbclient.PathTruncate, onData(s, maxCommandBody, s.truncate))
	post(dbclient.PathChecksum, onData(s, maxCommandBody, s.checksum))
	post(dbclient.PathPromise, onData(s, maxCommandBody, s.promise))
	post(dbclient.PathAccept, onData(s, maxDocumentsBody, s.accept))
	post(dbclient.PathCopy, onData(s, maxDocumentsBody, s.copy))
	post(dbclient.PathLog, onData(s, maxCommandBody, s.shardLog))
	post(dbclient.PathGateLock, s.gateLock)
	post(dbclient.PathPrepare, onData(s, maxCommandBody, s.prepare, long))
	post(dbclient.PathCut, onData(s, maxCommandBody, s.cut))
	post(dbclient.PathLink, onData(s, maxCommandBody, s.link, long))
	post(dbclient.PathSeal, onPieces(s, s.seal))
	post(dbclient.PathPublish, onPieces(s, s.publish))
	post(dbclient.PathDelete, onPieces(s, s.delete))
	post(dbclient.PathVerify, onPieces(s, s.verify, long))
	post(dbclient.PathStage, onPieces(s, s.stage, long))
	post(dbclient.PathGateRelease, always(s, s.gateRelease))
	post(dbclient.PathDrop, always(s, s.drop))
	post(dbclient.PathList, always(s, s.list))
	post(dbclient.PathUnstage, always(s, s.unstage))
	post(dbclient.PathTransfer, always(s, s.transfer))
	post(dbclient.PathRemote, always(s, s.remote))
	s.publicRoutes(mux)
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		apierror.Write(w, apierror.New(apierror.NotFound, "unknown path '%s'", r.URL.Path))
	})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Server", "ArangoDB")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		defer s.survive(w, r)
		mux.ServeHTTP(w, r)
	})
}

// survive turns a panic of a handler into an answer, so that one request's
// trouble is seen and stays that request's.
func (s *Server) survive(w http.ResponseWriter, r *http.Request) {
	p := recover()
	if p == nil {
		return
	}
	s.log.Error("request panicked", "path", r.URL.Path, "panic", p, "stack", string(debug.Stack()))
	apierror.Write(w, apierror.New(apierror.Internal, "internal error: %v", p))
}

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

// request is a decoded request.
type request[Q any] struct {
	shard string
	body  Q
}

// onData wraps an operation on the open data: the epochs must agree, and the
// operation's context ends when the data is about to be closed.
func onData[Q, A any](s *Server, limit int64, f func(context.Context, *data, request[Q]) (A, error), how ...way) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		q, err := decode[Q](r, limit)
		if err != nil {
			apierror.Write(w, err)
			return
		}
		ctx, d, leave, err := s.access.enter(r.Context())
		if err != nil {
			apierror.Write(w, err)
			return
		}
		if err := s.checkEpoch(r, d.epoch); err != nil {
			leave()
			apierror.Write(w, err)
			return
		}
		serve(ctx, w, how, func(ctx context.Context) (any, error) {
			defer leave()
			answer, err := f(ctx, d, q)
			return answer, because(ctx, err)
		})
	}
}

// onPieces wraps an operation on pieces, which needs the same epoch but not the
// data: a swap does not wait for it.
func onPieces[Q, A any](s *Server, f func(context.Context, Q) (A, error), how ...way) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		q, err := decode[Q](r, maxCommandBody)
		if err == nil {
			_, d, leave, err2 := s.access.enter(r.Context())
			if err = err2; err == nil {
				err = s.checkEpoch(r, d.epoch)
				leave()
			}
		}
		if err != nil {
			apierror.Write(w, err)
			return
		}
		serve(r.Context(), w, how, func(ctx context.Context) (any, error) { return f(ctx, q.body) })
	}
}

// always wraps what is answered whatever the epoch, and while data is shut:
// listing, and everything that undoes.
func always[Q, A any](s *Server, f func(context.Context, Q) (A, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		q, err := decode[Q](r, maxCommandBody)
		if err == nil && s.pieces.Load() == nil {
			err = errStarting
		}
		if err != nil {
			apierror.Write(w, err)
			return
		}
		answer, err := f(r.Context(), q.body)
		reply(r.Context(), w, answer, err)
	}
}

// What a request holds when it is decoded, beside its text: each of its operations or
// records, and copies of the documents in them.
const (
	costOfOperation = 512
	costOfByte      = 2
)

// classOf says which requests servers need of each other to go on. Clients have a share of
// their own, so what they send keeps none of these out.
func classOf(r *http.Request) budget.Class {
	path := r.URL.Path
	if !strings.HasPrefix(path, dbclient.PathPrefix) || clientPath(path) {
		return budget.Client
	}
	return budget.Peer
}

// clientPath says whether a request is made on behalf of a client of a coordinator.
func clientPath(path string) bool {
	for _, of := range []string{dbclient.PathDocs, dbclient.PathScan, dbclient.PathCount, dbclient.PathTruncate, dbclient.PathChecksum} {
		before, after, _ := strings.Cut(of, "{shard}")
		if strings.HasPrefix(path, before) && strings.HasSuffix(path, after) {
			return true
		}
	}
	return false
}

func decode[Q any](r *http.Request, limit int64) (q request[Q], err error) {
	q.shard = r.PathValue("shard")
	account := budget.Of(r.Context())
	raw, err := budget.ReadAll(account, r.Body, limit, r.ContentLength)
	if err != nil {
		return q, network.BodyError(err)
	}
	// Operations and records lie in an array in the request's object.
	if err := account.Take(costOfOperation*budget.Values(raw, 2) + costOfByte*int64(len(raw))); err != nil {
		return q, err
	}
	if err := json.Unmarshal(raw, &q.body); err != nil {
		return q, apierror.New(apierror.CorruptedJSON, "request body: %w", err)
	}
	return q, nil
}

// checkEpoch refuses a request that means other data than what is open, and any
// request once this server knows that its data is about to be replaced.
func (s *Server) checkEpoch(r *http.Request, open uint64) error {
	asked, err := strconv.ParseUint(r.Header.Get(dbclient.EpochHeader), 10, 64)
	if err != nil {
		return apierror.New(apierror.BadParameter, "header %s: %w", dbclient.EpochHeader, err)
	}
	if asked != open && !failpoint.Off("request-of-epoch") {
		return apierror.New(apierror.WrongEpoch, "the request is for epoch %d, %s has epoch %d open", asked, s.id, open)
	}
	if now := epochIn(s.cache.Snapshot().Root); now > open && !failpoint.Off("request-before-swap") {
		return apierror.New(apierror.WrongEpoch, "%s has epoch %d open, which epoch %d is about to replace", s.id, open, now)
	}
	return nil
}

// epochIn is the cluster's restore epoch; 0 before the first restore.
func epochIn(root *node) uint64 {
	n, _ := root.At(keys.RestoreEpoch).Int()
	return uint64(max(n, 0))
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
	_, _ = w.Write(body) // the client is gone: nobody to tell
}
