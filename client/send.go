package client

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strconv"
	"sync/atomic"
	"time"

	"stasis/internal/apierror"
)

// minQueueTime is told when the deadline is about to end: 0 would say nothing.
const minQueueTime = 0.001

// send returns the answer if its status is below 400, else an *Error. Without an answer the
// error says whether the request can have reached the coordinator.
func (c *Client) send(ctx context.Context, r request) (*http.Response, error) {
	body, err := r.reader()
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w", r.method, r.path, err)
	}
	var connected atomic.Bool // before that nothing is sent
	traced := httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) { connected.Store(true) }})
	req, err := http.NewRequestWithContext(traced, r.method, c.base+r.path, body)
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w", r.method, r.path, err)
	}
	if c.opts.Username != "" {
		req.SetBasicAuth(c.opts.Username, c.opts.Password)
	}
	if end, bounded := ctx.Deadline(); bounded && r.changes() {
		// A write that a backup holds up is refused before the deadline: without an answer its outcome would be unknown.
		req.Header.Set("X-Arango-Queue-Time-Seconds", strconv.FormatFloat(max(time.Until(end).Seconds(), minQueueTime), 'f', 3, 64))
	}
	if r.ifMatch != "" {
		req.Header.Set("If-Match", r.ifMatch)
	}
	if r.transaction != "" {
		req.Header.Set("X-Arango-Trx-Id", r.transaction)
	}
	resp, err := c.opts.HTTP.Do(req)
	if err != nil {
		return nil, &noAnswer{text: r.method + " " + c.base + r.path, err: withoutURL(err), unknown: r.changes() && connected.Load()}
	}
	if err := apierror.FromResponse(resp); err != nil {
		_ = resp.Body.Close() // it has been read; the error says more than a failure to close
		return nil, answered(err, r)
	}
	return resp, nil
}

// withoutURL drops net/http's repetition of method and URL.
func withoutURL(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err
	}
	return err
}
