package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"stasis/agency/keys"
	"stasis/internal/failpoint"
)

// ErrStranger: an agent belongs to another agency, or to an earlier incarnation of the
// one that this client follows. What it says is not believed, and it is asked nothing.
var ErrStranger = errors.New("belongs to another agency")

// Origin is the agency that this client follows: of the first leader that answered, or
// Options.Origin; and its newest incarnation seen. Zero: none yet.
func (c *Client) Origin() keys.Origin {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.origin
}

// stranger is the error for an answer of an agent that does not belong to the agency that
// this client follows.
func (c *Client) stranger(endpoint string, theirs keys.Origin) error {
	mine := c.Origin()
	if !mine.Exists() || !theirs.Exists() {
		return nil // nothing to compare: an agent without an agency serves nothing
	}
	kin := mine.Sees(theirs)
	if kin == keys.Same || kin == keys.Newer || failpoint.Off("answer-of-a-stranger") {
		return nil
	}
	c.mu.Lock()
	news := c.strangers[endpoint] != theirs
	c.strangers[endpoint] = theirs
	c.mu.Unlock()
	if news {
		c.log.Error("an agent belongs to another agency: keeping what is known, and not following it", "agent", endpoint,
			"belongs to", theirs.String(), "this server follows", mine.String())
	}
	return fmt.Errorf("%w: %s, and this server follows %s; to let it follow the other one, stop it and delete the file %s of its data directory",
		ErrStranger, theirs, mine, keys.OriginNote)
}

// believe makes this client follow the agency whose leader has answered, if it follows
// none yet, or the next incarnation of the one it follows. That is noted, durably,
// before anything of the answer is used.
func (c *Client) believe(ctx context.Context, endpoint string, theirs keys.Origin) error {
	if !theirs.Exists() || c.Origin() == theirs {
		return nil
	}
	select {
	case c.learning <- struct{}{}:
		defer func() { <-c.learning }()
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	mine := c.Origin()
	if mine == theirs {
		return nil
	}
	if err := c.stranger(endpoint, theirs); err != nil { // another answer was faster
		return err
	}
	if c.remember != nil {
		if err := c.remember(theirs); err != nil {
			return fmt.Errorf("note which agency is followed: %w", err)
		}
	}
	if mine.Exists() {
		c.log.Warn("the agency was recovered: following its new incarnation", "incarnation", theirs.Incarnation, "before", mine.Incarnation)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.origin = theirs
	return nil
}

// Notes are the small files of a data directory.
type Notes interface {
	ReadNote(name string) ([]byte, error) // nil if there is none
	WriteNote(name string, data []byte) error
}

// Remembered gives what Options need so that a server follows the same agency after a
// restart: the origin that its data directory has, and what notes another one there.
func Remembered(n Notes) (keys.Origin, func(keys.Origin) error, error) {
	var origin keys.Origin
	raw, err := n.ReadNote(keys.OriginNote)
	if err != nil {
		return origin, nil, err
	}
	if raw != nil {
		if err := json.Unmarshal(raw, &origin); err != nil || !origin.Exists() {
			return origin, nil, fmt.Errorf("the file %s of the data directory, which says what agency the server follows, is damaged: %s", keys.OriginNote, raw)
		}
	}
	return origin, func(o keys.Origin) error {
		raw, err := json.Marshal(o)
		if err != nil {
			return fmt.Errorf("encode %s: %w", keys.OriginNote, err)
		}
		return n.WriteNote(keys.OriginNote, append(raw, '\n'))
	}, nil
}
