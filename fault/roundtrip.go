package fault

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
)

// longestKept is how long a body may be that is kept to be sent again.
const longestKept = 8 << 20

// roundTripper is an http.RoundTripper whose requests meet the rules.
type roundTripper struct {
	all   *messages
	below http.RoundTripper
	meet  func(address, path string) meeting
}

// RoundTrip implements http.RoundTripper.
func (t *roundTripper) RoundTrip(r *http.Request) (*http.Response, error) {
	if !t.all.some.Load() {
		return t.below.RoundTrip(r)
	}
	address := r.URL.Host
	if r.URL.Port() == "" {
		port := map[string]string{"http": "80", "https": "443"}[r.URL.Scheme]
		address = net.JoinHostPort(r.URL.Hostname(), port)
	}
	q := &request{below: t.below, r: r}
	if err := t.all.pass(r.Context(), t.meet(address, r.URL.Path), q, t.all.now()); err != nil {
		return nil, err
	}
	return q.answer, nil
}

// CloseIdleConnections is what http.Client calls.
func (t *roundTripper) CloseIdleConnections() {
	if c, ok := t.below.(interface{ CloseIdleConnections() }); ok {
		c.CloseIdleConnections()
	}
}

// request is a request of HTTP, a sending.
type request struct {
	below  http.RoundTripper
	r      *http.Request
	answer *http.Response
}

func (q *request) empty() bool { return q.r.Body == nil || q.r.Body == http.NoBody }

func (q *request) repeatable() bool {
	// A length of 0 with a body means that the length is unknown.
	return q.empty() || q.r.GetBody != nil || q.r.ContentLength > 0 && q.r.ContentLength <= longestKept
}

func (q *request) again() (sending, error) {
	if q.empty() {
		return &request{below: q.below, r: q.r.Clone(q.r.Context())}, nil
	}
	if q.r.GetBody == nil {
		body, err := io.ReadAll(q.r.Body)
		if err != nil {
			return nil, err
		}
		if err := q.r.Body.Close(); err != nil {
			return nil, err
		}
		q.r = q.r.Clone(q.r.Context())
		q.r.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(body)), nil }
		if q.r.Body, err = q.r.GetBody(); err != nil {
			return nil, err
		}
	}
	body, err := q.r.GetBody()
	if err != nil {
		return nil, err
	}
	second := q.r.Clone(q.r.Context())
	second.Body = body
	return &request{below: q.below, r: second}, nil
}

func (q *request) send(ctx context.Context) (err error) {
	r := q.r
	if ctx != r.Context() {
		r = r.WithContext(ctx)
	}
	q.answer, err = q.below.RoundTrip(r)
	return err
}

func (q *request) discard() {
	_, _ = io.Copy(io.Discard, q.answer.Body) // no one hears of how it ends
	_ = q.answer.Body.Close()
}

func (q *request) close() {
	if !q.empty() {
		_ = q.r.Body.Close() // it was not used
	}
}

// call is a call that is not HTTP, a sending.
type call struct {
	do     func(again bool) error
	second bool
	copies bool // do can be called again
}

func (c *call) repeatable() bool           { return c.copies }
func (c *call) again() (sending, error)    { return &call{do: c.do, second: true}, nil }
func (c *call) send(context.Context) error { return c.do(c.second) }
func (c *call) discard()                   {}
func (c *call) close()                     {}

func (c *call) lose(context.Context, meeting, func(func())) (done func()) { return func() {} }
