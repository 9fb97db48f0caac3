package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"

	"github.com/hashicorp/go-hclog"

	"stasis/agency/keys"
	"stasis/internal/failpoint"
)

// ErrStranger is returned when an agent belongs to another agency, or to an earlier incarnation of the
// one that this client follows. The client believes nothing that such an agent says.
var ErrStranger = errors.New("belongs to another agency")

// followed is the agency that a client follows, and its newest incarnation seen.
type followed struct {
	log      hclog.Logger
	remember func(keys.Origin) error
	learning chan struct{} // holds one token, of the goroutine that may change origin

	mu        sync.Mutex
	origin    keys.Origin
	strangers map[string]keys.Origin // by endpoint; what the log has
}

func newFollowed(o Options) *followed {
	return &followed{
		log: o.Logger, remember: o.Remember, learning: make(chan struct{}, 1),
		origin: o.Origin, strangers: map[string]keys.Origin{},
	}
}

func (f *followed) get() keys.Origin {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.origin
}

// check gives an error for an answer of an agent that does not belong to the agency that is
// followed. It logs each such agent once.
func (f *followed) check(endpoint string, theirs keys.Origin) error {
	mine := f.get()
	if !mine.Exists() || !theirs.Exists() {
		return nil // nothing to compare: an agent without an agency serves nothing
	}
	seen := mine.Sees(theirs)
	if seen == keys.Same || seen == keys.Newer || failpoint.Off("answer-of-a-stranger") {
		return nil
	}
	f.mu.Lock()
	news := f.strangers[endpoint] != theirs
	f.strangers[endpoint] = theirs
	f.mu.Unlock()
	if news {
		f.log.Error("an agent belongs to another agency: keeping what is known, and not following it", "agent", endpoint,
			"belongs to", theirs.String(), "this server follows", mine.String())
	}
	return fmt.Errorf("%w: %s, and this server follows %s; to let it follow the other one, stop it and delete the file %s of its data directory",
		ErrStranger, theirs, mine, keys.OriginNote)
}

// believe makes the client follow the agency whose leader has answered, if it follows none yet,
// or the next incarnation of the one it follows. That is noted, durably, before anything of the
// answer is used: a server that has acted on an agency must not follow another one after a
// restart.
func (f *followed) believe(ctx context.Context, endpoint string, theirs keys.Origin) error {
	if !theirs.Exists() || f.get() == theirs {
		return nil
	}
	select {
	case f.learning <- struct{}{}:
		defer func() { <-f.learning }()
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	mine := f.get()
	if mine == theirs {
		return nil
	}
	if err := f.check(endpoint, theirs); err != nil { // another answer was faster
		return err
	}
	if f.remember != nil {
		if err := f.remember(theirs); err != nil {
			return fmt.Errorf("note which agency is followed: %w", err)
		}
	}
	if mine.Exists() {
		f.log.Warn("the agency was recovered: following its new incarnation", "incarnation", theirs.Incarnation, "before", mine.Incarnation)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.origin = theirs
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
