package api

import (
	"context"
	"net/http"
	"strconv"
	"sync/atomic"

	agencyclient "stasis/agency/client"
	dbclient "stasis/dbserver/client"
	"stasis/dbserver/pieces"
	"stasis/dbserver/store"
	"stasis/internal/apierror"
	"stasis/internal/failpoint"
)

// admission decides which requests run, on which data.
type admission struct {
	id      string // of this server
	access  *store.Access
	latest  func() agencyclient.Snapshot // of the cache
	backups atomic.Pointer[Backups]      // nil until the pieces are opened
}

// enter lets a request in to the data of the epoch that it names.
func (a *admission) enter(r *http.Request) (context.Context, *store.Store, func(), error) {
	ctx, s, leave, err := a.access.Enter(r.Context())
	if err != nil {
		return nil, nil, nil, err
	}
	if err := a.checkEpoch(r, s.Epoch()); err != nil {
		leave()
		return nil, nil, nil, err
	}
	return ctx, s, leave, nil
}

// checkEpoch refuses a request that means other data than what is open, and any request once
// this server knows that its data is about to be replaced.
func (a *admission) checkEpoch(r *http.Request, open uint64) error {
	asked, err := strconv.ParseUint(r.Header.Get(dbclient.EpochHeader), 10, 64)
	if err != nil {
		return apierror.New(apierror.BadParameter, "header %s: %w", dbclient.EpochHeader, err)
	}
	if asked != open && !failpoint.Off("request-of-epoch") {
		return apierror.New(apierror.WrongEpoch, "the request is for epoch %d, %s has epoch %d open", asked, a.id, open)
	}
	if now := pieces.EpochIn(a.latest().Root); now > open && !failpoint.Off("request-before-swap") {
		return apierror.New(apierror.WrongEpoch, "%s has epoch %d open, which epoch %d is about to replace", a.id, open, now)
	}
	return nil
}

// onData wraps an operation on the open data: the epochs must agree, and the operation's
// context ends when the data is about to be closed.
func onData[Q, A any](a *admission, limit int64, f func(context.Context, *store.Store, Request[Q]) (A, error), how ...mode) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		q, err := decode[Q](r, limit)
		if err != nil {
			apierror.Write(w, err)
			return
		}
		ctx, s, leave, err := a.enter(r)
		if err != nil {
			apierror.Write(w, err)
			return
		}
		serve(ctx, w, how, func(ctx context.Context) (any, error) {
			defer leave()
			answer, err := f(ctx, s, q)
			return answer, because(ctx, err)
		})
	}
}

// onEngine wraps a step of a backup that works on the open engine.
func onEngine[Q, A any](a *admission, f func(*Backups, context.Context, *store.Store, Q) (A, error), how ...mode) http.HandlerFunc {
	return onData(a, maxCommandBody, func(ctx context.Context, s *store.Store, q Request[Q]) (A, error) {
		return f(a.backups.Load(), ctx, s, q.Body) // there is data, so the pieces were opened
	}, how...)
}

// onPieces wraps an operation on pieces, which needs the same epoch but not the data: a swap
// does not wait for it.
func onPieces[Q, A any](a *admission, f func(*Backups, context.Context, Q) (A, error), how ...mode) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		q, err := decode[Q](r, maxCommandBody)
		if err == nil {
			var leave func()
			if _, _, leave, err = a.enter(r); err == nil {
				leave()
			}
		}
		if err != nil {
			apierror.Write(w, err)
			return
		}
		serve(r.Context(), w, how, func(ctx context.Context) (any, error) { return f(a.backups.Load(), ctx, q.Body) })
	}
}

// always wraps what is answered whatever the epoch, and while the data is shut: listing, and
// everything that undoes.
func always[Q, A any](a *admission, f func(*Backups, context.Context, Q) (A, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		q, err := decode[Q](r, maxCommandBody)
		b := a.backups.Load()
		if err == nil && b == nil {
			err = errStarting
		}
		if err != nil {
			apierror.Write(w, err)
			return
		}
		answer, err := f(b, r.Context(), q.Body)
		reply(r.Context(), w, answer, err)
	}
}
