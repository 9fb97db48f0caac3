package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strconv"
	"strings"

	"stasis/internal/apierror"
	"stasis/internal/budget"
)

// ErrNotSent is wrapped by the ConnectionLost error of a request that never had a connection: it
// was certainly not applied. Without it the outcome of a write is unknown.
var ErrNotSent = errors.New("the request was not sent")

// maxIdleBody is how much of an unread answer is read to keep its connection.
const maxIdleBody = 64 << 10

// Target says which server to ask, and which epoch of its data is meant.
type Target struct {
	URL   string // http://host:port
	Epoch uint64
}

// Client asks DB servers. It keeps a session with each server that it writes to, never repeats a request
// that may have been done, and may be used by many goroutines.
//
// Errors are *apierror.Error: what the server answered, or ConnectionLost when
// there was no (whole) answer; the latter also match the context's error if the
// context ended first, and [ErrNotSent] if the server cannot have seen the request.
type Client struct {
	http     *http.Client
	sessions sessions
}

// New makes a client; its caller owns h and sets no overall timeout on it
// (every call is bounded by its context).
func New(h *http.Client) *Client {
	return &Client{http: h, sessions: sessions{of: map[string]*session{}}}
}

func onShard(path, shard string) string {
	return strings.Replace(path, "{shard}", url.PathEscape(shard), 1)
}

func command(ctx context.Context, c *Client, t Target, path string, body any) error {
	_, err := call[struct{}](ctx, c, t, path, body)
	return err
}

func call[A any](ctx context.Context, c *Client, t Target, path string, body any) (A, error) {
	var answer A
	resp, err := c.send(ctx, t, path, body)
	if err != nil {
		return answer, err
	}
	defer finish(resp.Body)
	if err := hold(ctx, resp.ContentLength); err != nil {
		return answer, err
	}
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil {
		return answer, lost(t, path, fmt.Errorf("read answer: %w", err))
	}
	return answer, nil
}

// answerFactor is how much an answer holds while it is read: its text, and what it becomes.
const answerFactor = 3

type refusingKey struct{}

// refusing is the context of a call that changes nothing: its answer may be refused.
func refusing(ctx context.Context) context.Context {
	return context.WithValue(ctx, refusingKey{}, true)
}

// hold counts an answer of that many bytes to the request that the call is made for.
func hold(ctx context.Context, bytes int64) error {
	account := budget.Of(ctx)
	if ctx.Value(refusingKey{}) != nil {
		return account.Take(answerFactor * bytes)
	}
	account.Owe(answerFactor * bytes)
	return nil
}

// send returns an answer, its body unread. An answer that says an error is returned as that
// error.
func (c *Client) send(ctx context.Context, t Target, path string, body any) (*http.Response, error) {
	encoded, err := Encode(body)
	if err != nil {
		return nil, fmt.Errorf("encode request %s: %w", path, err)
	}
	sent := false
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) { sent = true }})
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, t.URL+path, bytes.NewReader(encoded))
	if err != nil {
		return nil, fmt.Errorf("request %s: %w", path, err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set(EpochHeader, strconv.FormatUint(t.Epoch, 10))
	if w, ok := ctx.Value(writeKey{}).(Write); ok {
		req.Header.Set(WriteHeader, w.String())
		setPatience(ctx, req.Header)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		if !sent {
			err = fmt.Errorf("%w: %w", ErrNotSent, err)
		}
		return nil, lost(t, path, err)
	}
	if err := apierror.FromResponse(resp); err != nil {
		finish(resp.Body)
		return nil, err
	}
	return resp, nil
}

// lost says that there was no whole answer; the cause is kept for errors.Is.
func lost(t Target, path string, cause error) error {
	return &apierror.Error{Num: apierror.ConnectionLost, Message: fmt.Sprintf("%s%s: %v", t.URL, path, cause), Cause: cause}
}

// finish reads the rest of a body so that its connection can be used again.
func finish(body io.ReadCloser) {
	_, _ = io.CopyN(io.Discard, body, maxIdleBody) // more, or broken: the connection is not kept
	_ = body.Close()                               // nothing was written to it
}

// Encode is the JSON of requests and answers. Unlike json.Marshal it leaves
// documents inside as they are, "<" included.
func Encode(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}
