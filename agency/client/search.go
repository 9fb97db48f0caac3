package client

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"stasis/agency/keys"
)

const (
	base = "/_api/agency/"

	maxHops       = 4 // redirects followed without a pause
	firstPause    = 20 * time.Millisecond
	longestPause  = 500 * time.Millisecond
	patience      = time.Second // trouble that lasts longer is logged
	maxErrorBytes = 200         // of an answer's body in a message
)

// request is one HTTP request, attempted as often as need be.
type request struct {
	method  string
	path    string // with query
	body    []byte
	timeout time.Duration // of one attempt
	poll    bool          // given up when another agent is found to lead
	anyone  bool          // also an agent of another agency may answer
	once    bool          // its client ids are applied once: it may be repeated
}

// answer is what an agent said.
type answer struct {
	endpoint string
	status   int
	location string
	origin   keys.Origin // what the agent belongs to
	body     []byte
}

// fate is what an attempt tells about its request.
type fate int

const (
	answered fate = iota // by the leader, for good
	untaken              // nobody has it: no connection, or only a follower
	doubtful             // the agent is done with it and does not know the outcome
	lost                 // it was sent and no answer came: it may still be on its way
)

// search is the way of one call to the leader, over several attempts.
type search struct {
	c        *Client
	redirect string // where a follower pointed to
	next     int    // the next endpoint to try without better knowledge
	hops     int    // redirects since the last pause
	failures int    // other attempts in vain since the last pause
	wait     time.Duration
	began    time.Time // of the trouble
	last     error     // how the last attempt went
	strange  error     // that an agent belonged to another agency
}

func (c *Client) search() *search { return &search{c: c, wait: firstPause} }

// ask attempts a request that may be repeated blindly until a leader answers.
func (c *Client) ask(ctx context.Context, r request) (answer, error) {
	s := c.search()
	for {
		ans, f := s.try(ctx, r)
		if f == answered {
			return ans, nil
		}
		if s.pause(ctx) != nil {
			return answer{}, s.unavailable(ctx, r)
		}
	}
}

// try makes one attempt at the agent most likely to lead.
func (s *search) try(ctx context.Context, r request) (answer, fate) {
	endpoint := s.target()
	if endpoint == "" {
		s.fail(endpoint, errors.New("no endpoints given"))
		return answer{}, untaken
	}
	ans, sent, err := s.c.attempt(ctx, endpoint, r)
	switch {
	case err != nil && sent:
		s.fail(endpoint, err)
		return answer{}, lost
	case err != nil:
		s.fail(endpoint, err)
		return answer{}, untaken
	case ans.status >= 300 && ans.status < 400:
		s.follow(ans)
		return answer{}, untaken
	case ans.status == http.StatusRequestTimeout || ans.status >= 500:
		s.fail(endpoint, errors.New(ans.text()))
		return answer{}, doubtful
	case ans.status == http.StatusForbidden && !ans.origin.Exists():
		// Not the leader's word, which names its agency: the agent does not know the name
		// by which it was asked, and has not looked at the request.
		s.fail(endpoint, errors.New(ans.text()))
		return answer{}, untaken
	}
	if err := s.c.believe(ctx, endpoint, ans.origin); err != nil {
		s.fail(endpoint, err)
		return answer{}, lost // whoever it was has done it
	}
	s.c.leads(endpoint)
	return ans, answered
}

// target picks the agent for the next attempt.
func (s *search) target() string {
	if e := s.redirect; e != "" {
		s.redirect = ""
		return e
	}
	if e := s.c.guess(); e != "" {
		return e
	}
	if len(s.c.endpoints) == 0 {
		return ""
	}
	e := s.c.endpoints[s.next%len(s.c.endpoints)]
	s.next++
	return e
}

// follow goes where a follower points. That is a hint, not knowledge: the
// follower may be behind, so the client's guess changes only when the other
// answers as leader.
func (s *search) follow(ans answer) {
	to, err := url.Parse(ans.location)
	if err != nil || to.Host == "" {
		s.fail(ans.endpoint, fmt.Errorf("HTTP %d to %q", ans.status, ans.location))
		return
	}
	s.c.doubts(ans.endpoint)
	s.redirect = to.Scheme + "://" + to.Host
	s.hops++
	s.note(fmt.Errorf("%s: redirected to %s", ans.endpoint, s.redirect))
}

func (s *search) fail(endpoint string, err error) {
	s.c.doubts(endpoint)
	s.failures++
	err = fmt.Errorf("%s: %w", endpoint, err)
	if errors.Is(err, ErrStranger) {
		s.strange = err
	}
	s.note(err)
}

func (s *search) note(err error) {
	s.last = err
	if s.began.IsZero() {
		s.began = time.Now()
	}
}

// pause waits a little, unless there is still an agent worth trying at once. It
// returns an error when ctx has ended.
func (s *search) pause(ctx context.Context) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if s.failures < len(s.c.endpoints) && s.hops <= maxHops {
		return nil
	}
	if time.Since(s.began) > patience {
		s.c.trouble(s.last)
	}
	s.failures, s.hops, s.redirect = 0, 0, ""
	return sleep(ctx, &s.wait)
}

// sleep waits for *wait, then doubles it up to longestPause.
func sleep(ctx context.Context, wait *time.Duration) error {
	t := time.NewTimer(*wait)
	defer t.Stop()
	*wait = min(2**wait, longestPause)
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

// unavailable is the error of a call whose context ended before a leader took it.
func (s *search) unavailable(ctx context.Context, r request) error {
	return s.ended(ctx, r, ErrUnavailable)
}

func (s *search) ended(ctx context.Context, r request, kind error) error {
	path, _, _ := strings.Cut(r.path, "?")
	if s.strange != nil && !errors.Is(s.last, ErrStranger) {
		s.last = fmt.Errorf("%w; and %w", s.last, s.strange)
	}
	return fmt.Errorf("agency %s: %w: %w, last: %w", strings.TrimPrefix(path, base), kind, context.Cause(ctx), s.last)
}

// attempt sends the request to one agent, once. sent says whether the agent may
// have got it although there is no answer.
func (c *Client) attempt(ctx context.Context, endpoint string, r request) (ans answer, sent bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, r.timeout)
	defer cancel()
	if r.poll {
		defer c.waiting(endpoint, cancel)()
	}
	var connected atomic.Bool
	traced := httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GotConn: func(httptrace.GotConnInfo) { connected.Store(true) },
	})
	req, err := http.NewRequestWithContext(traced, r.method, endpoint+r.path, bytes.NewReader(r.body))
	if err != nil {
		return answer{}, false, err
	}
	req.Header.Set("Content-Type", "application/json")
	if r.poll {
		req.Header.Set("Accept-Encoding", "gzip")
	}
	if r.once {
		req.Header.Set(keys.OnceHeader, "true")
	}
	if origin := c.Origin(); origin.Exists() && !r.anyone {
		req.Header.Set(keys.OriginHeader, origin.Text())
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return answer{}, connected.Load(), bare(err)
	}
	defer resp.Body.Close()
	body, err := plain(resp)
	if err != nil {
		return answer{}, true, fmt.Errorf("reading the answer: %w", err)
	}
	ans = answer{endpoint: endpoint, status: resp.StatusCode, location: resp.Header.Get("Location"), body: body}
	if ans.origin, err = keys.ParseOrigin(resp.Header.Get(keys.OriginHeader)); err != nil {
		return answer{}, true, err
	}
	if !r.anyone {
		if err := c.stranger(endpoint, ans.origin); err != nil {
			// With 421 it says that it has done nothing. A redirect does nothing either.
			return answer{}, resp.StatusCode != http.StatusMisdirectedRequest && resp.StatusCode != http.StatusTemporaryRedirect, err
		}
	}
	return ans, true, nil
}

// plain reads a body, compressed or not.
func plain(resp *http.Response) ([]byte, error) {
	if resp.Header.Get("Content-Encoding") != "gzip" {
		return io.ReadAll(resp.Body)
	}
	r, err := gzip.NewReader(resp.Body)
	if err != nil {
		return nil, err
	}
	return io.ReadAll(r)
}

// bare strips method and URL, which the callers say themselves.
func bare(err error) error {
	if u, ok := errors.AsType[*url.Error](err); ok {
		return u.Err
	}
	return err
}

// text is the answer for a message.
func (a answer) text() string {
	var said struct{ Message, ErrorMessage string }
	if json.Unmarshal(a.body, &said) == nil && said.ErrorMessage+said.Message != "" { // it says what to do: nothing is cut off
		return fmt.Sprintf("HTTP %d: %s", a.status, cmp.Or(said.ErrorMessage, said.Message))
	}
	body := strings.TrimSpace(string(a.body))
	if len(body) > maxErrorBytes {
		body = body[:maxErrorBytes] + "…"
	}
	return fmt.Sprintf("HTTP %d %s", a.status, body)
}

// rejected is the error for a leader's answer that is no success and no
// precondition.
func (a answer) rejected(what string) error {
	return fmt.Errorf("agency %s: %w: %s: %s", what, ErrRejected, a.endpoint, a.text())
}

// applyOnce is a request with transactions whose client ids are new.
func (c *Client) applyOnce(name string, body []byte) request {
	r := c.post(name, body)
	r.once = true
	return r
}

// post is a request with a body; the caller gives the last part of the path.
func (c *Client) post(name string, body []byte) request {
	return request{method: http.MethodPost, path: base + name, body: body, timeout: c.attempts}
}
