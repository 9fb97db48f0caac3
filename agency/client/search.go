package client

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"
)

const (
	maxHops  = 4           // redirects followed without a pause
	patience = time.Second // trouble that lasts longer is logged
)

// search is the way of one call to the leader, over several attempts.
type search struct {
	agents   *agents
	redirect string // where a follower pointed to
	next     int    // the next endpoint to try without better knowledge
	hops     int    // redirects since the last pause
	failures int    // other failed attempts since the last pause
	pauses   backoff
	began    time.Time // of the trouble
	last     error     // how the last attempt went
	strange  error     // that an agent belonged to another agency
}

func (a *agents) search() *search { return &search{agents: a, pauses: newBackoff()} }

// ask attempts a request that may be repeated blindly until a leader answers.
func (a *agents) ask(ctx context.Context, r request) (answer, error) {
	s := a.search()
	for {
		ans, o := s.try(ctx, r)
		if o == answered {
			return ans, nil
		}
		if s.pause(ctx) != nil {
			return answer{}, s.unavailable(ctx, r)
		}
	}
}

// try makes one attempt at the agent most likely to lead.
func (s *search) try(ctx context.Context, r request) (answer, outcome) {
	endpoint := s.target()
	if endpoint == "" {
		s.fail(endpoint, errors.New("no endpoints given"))
		return answer{}, notTaken
	}
	ans, sent, err := s.agents.attempt(ctx, endpoint, r)
	switch {
	case err != nil && sent:
		s.fail(endpoint, err)
		return answer{}, unanswered
	case err != nil:
		s.fail(endpoint, err)
		return answer{}, notTaken
	case ans.status >= 300 && ans.status < 400:
		s.follow(ans)
		return answer{}, notTaken
	case ans.status == http.StatusRequestTimeout || ans.status >= 500:
		s.fail(endpoint, errors.New(ans.text()))
		return answer{}, undecided
	case ans.status == http.StatusForbidden && !ans.origin.Exists():
		// A leader's answer names its agency. This agent does not know the name by which it was
		// asked, and has not looked at the request.
		s.fail(endpoint, errors.New(ans.text()))
		return answer{}, notTaken
	}
	if err := s.agents.followed.believe(ctx, endpoint, ans.origin); err != nil {
		s.fail(endpoint, err)
		return answer{}, unanswered // the agent has done it, in whichever agency
	}
	s.agents.leader.leads(endpoint)
	return ans, answered
}

// target picks the agent for the next attempt.
func (s *search) target() string {
	if e := s.redirect; e != "" {
		s.redirect = ""
		return e
	}
	if e := s.agents.leader.guess(); e != "" {
		return e
	}
	endpoints := s.agents.endpoints
	if len(endpoints) == 0 {
		return ""
	}
	e := endpoints[s.next%len(endpoints)]
	s.next++
	return e
}

// follow goes where a follower points. That is a hint, not knowledge: the follower may be
// behind, so the client's guess changes only when the other answers as leader.
func (s *search) follow(ans answer) {
	to, err := url.Parse(ans.location)
	if err != nil || to.Host == "" {
		s.fail(ans.endpoint, fmt.Errorf("HTTP %d to %q", ans.status, ans.location))
		return
	}
	s.agents.leader.doubt(ans.endpoint)
	s.redirect = to.Scheme + "://" + to.Host
	s.hops++
	s.note(fmt.Errorf("%s: redirected to %s", ans.endpoint, s.redirect))
}

func (s *search) fail(endpoint string, err error) {
	s.agents.leader.doubt(endpoint)
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

// pause waits a little, unless there is still an agent worth trying at once. It returns an error
// when ctx has ended.
func (s *search) pause(ctx context.Context) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if s.failures < len(s.agents.endpoints) && s.hops <= maxHops {
		return nil
	}
	if time.Since(s.began) > patience {
		s.agents.leader.trouble(s.last)
	}
	s.failures, s.hops, s.redirect = 0, 0, ""
	return s.pauses.wait(ctx)
}

// unavailable is the error of a call whose context ended before a leader took it.
func (s *search) unavailable(ctx context.Context, r request) error {
	return s.ended(ctx, r, ErrUnavailable)
}

// ended is the error of a call whose context ended.
func (s *search) ended(ctx context.Context, r request, kind error) error {
	path, _, _ := strings.Cut(r.path, "?")
	if s.strange != nil && !errors.Is(s.last, ErrStranger) {
		s.last = fmt.Errorf("%w; and %w", s.last, s.strange)
	}
	return fmt.Errorf("agency %s: %w: %w, last: %w", strings.TrimPrefix(path, base), kind, context.Cause(ctx), s.last)
}
