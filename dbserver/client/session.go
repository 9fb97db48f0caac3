package client

import (
	"context"
	"errors"
	"fmt"

	"stasis/internal/apierror"
)

// session is the session with a server. The first one who asks opens it, the others wait.
func (c *Client) session(ctx context.Context, t Target) (*session, error) {
	for {
		s, mine := c.sessions.with(t.URL)
		if mine {
			err := c.open(ctx, t, s)
			return s, err
		}
		select {
		case <-s.opened:
			if s.err == nil {
				return s, nil
			}
		case <-ctx.Done():
			return nil, lost(t, PathSession, ctx.Err())
		}
	}
}

// errNotOpened is what those get who wait for a session whose opening panics.
var errNotOpened = errors.New("the opening of the session has not ended")

// open opens a session for all that wait for it. They learn of every end, also of a panic: the next of them
// opens another session then.
func (c *Client) open(ctx context.Context, t Target, s *session) error {
	s.err = errNotOpened
	defer func() {
		if s.err != nil {
			c.sessions.forget(t.URL, s)
		}
		close(s.opened)
	}()
	answer, err := call[SessionResponse](ctx, c, t, PathSession, struct{}{})
	s.id, s.err = answer.Session, err
	return err
}

// sessionTries is how often a write is sent that is refused because its session is not known: a server that has
// just started refuses the first one, and it may start again.
const sessionTries = 3

// write is call for what must not be done twice. Each time that it is sent it has a number of its own.
func write[A any](ctx context.Context, c *Client, t Target, path string, body any) (answer A, err error) {
	for range sessionTries {
		s, opening := c.session(ctx, t)
		if opening != nil {
			return answer, unsent(t, path, opening)
		}
		answer, err = func() (A, error) {
			w, end := s.begin()
			defer end() // also after a panic: the server remembers all from the oldest on that goes on
			return call[A](context.WithValue(ctx, writeKey{}, w), c, t, path, body)
		}()
		if !errors.Is(err, apierror.SessionUnknown) {
			return answer, err
		}
		c.sessions.forget(t.URL, s)
	}
	return answer, unsent(t, path, err)
}

// unsent is the error of a write for which no session was opened: a refusal of the server, or that there was no answer.
func unsent(t Target, path string, err error) error {
	if apierror.From(err).Num == apierror.ConnectionLost || errors.Is(err, apierror.SessionUnknown) {
		return lost(t, path, fmt.Errorf("%w: open a session: %w", ErrNotSent, err))
	}
	return err
}
