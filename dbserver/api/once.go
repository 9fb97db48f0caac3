package api

import (
	"context"
	"net/http"

	dbclient "stasis/dbserver/client"
	"stasis/internal/apierror"
)

// once has each write done at most once, also if its request arrives again. It comes before everything that
// can refuse a request: one that was refused is refused again when it comes again, because its client
// may have sent the write a second time, under another number.
func (m *sessions) once(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		text := r.Header.Get(dbclient.WriteHeader)
		if text == "" { // then it must not write
			next(w, r)
			return
		}
		name, err := dbclient.ParseWrite(text)
		if err != nil {
			apierror.Write(w, apierror.New(apierror.BadParameter, "%w", err))
			return
		}
		a, first, err := m.arrive(name)
		switch {
		case err != nil:
			apierror.Write(w, err)
		case first:
			out := &recorder{ResponseWriter: w}
			defer func() { m.end(name, a, out.answer()) }() // also when next panics
			next(out, r)
		default:
			m.again(r.Context(), w, a)
		}
	}
}

// again answers a write that has arrived before, when that one has ended.
func (m *sessions) again(ctx context.Context, w http.ResponseWriter, a *arrival) {
	select {
	case <-a.done:
	case <-ctx.Done():
	}
	m.mu.Lock()
	was := a.answer
	m.mu.Unlock()
	if was.status == 0 {
		apierror.Write(w, apierror.New(apierror.ConnectionLost, "the write has arrived before, and its answer is not known any more: its outcome is unknown"))
		return
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(was.status)
	_, _ = w.Write(was.body) // it fails when the client is gone, which needs no answer then
}

// recorder keeps a small answer while it is sent.
type recorder struct {
	http.ResponseWriter
	status int
	body   []byte
	large  bool
}

// WriteHeader is http.ResponseWriter's.
func (r *recorder) WriteHeader(status int) {
	if r.status == 0 && status >= http.StatusOK {
		r.status = status
	}
	r.ResponseWriter.WriteHeader(status)
}

// Write is http.ResponseWriter's.
func (r *recorder) Write(p []byte) (int, error) {
	if r.status == 0 {
		r.status = http.StatusOK
	}
	if r.large = r.large || len(r.body)+len(p) > maxAnswer; !r.large {
		r.body = append(r.body, p...)
	}
	return r.ResponseWriter.Write(p)
}

// Unwrap is for http.ResponseController.
func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }

func (r *recorder) answer() answer {
	if r.large {
		return answer{}
	}
	return answer{status: r.status, body: r.body}
}
