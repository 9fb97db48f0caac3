// Package origin keeps which agency an agent belongs to, and keeps strangers out.
//
// An origin is a UUID and an incarnation ([keys.Origin]). It is set once: at the founding, or by
// the first leader that reaches an agent without one. Agents of different origins are strangers:
// they take nothing from each other.
package origin

import (
	"errors"
	"fmt"
	"sync/atomic"

	"stasis/agency/keys"
	"stasis/agency/note"
	"stasis/internal/apierror"
	"stasis/internal/failpoint"
)

// ErrStranger is wrapped by refusals between two agents that do not belong to the same agency,
// or not to the same incarnation of it.
var ErrStranger = errors.New("stranger to this agency")

// Founded is the note that says which agency a directory belongs to. Members and Seeds are there
// if the agent took part in the founding.
type Founded struct {
	keys.Origin
	Members map[string]string `json:"members,omitempty"` // id → host:port
	Seeds   map[string]string `json:"seeds,omitempty"`   // id → seed of its directory
}

// Origins is what one agent knows of its origin. Its methods may be called from any goroutine.
type Origins struct {
	notes  note.Store
	turn   chan struct{} // one token: a change at a time
	mine   atomic.Pointer[Founded]
	header atomic.Pointer[[]string]
}

// Open reads the note. A directory with a log and without the note was made before there were
// origins: it belongs to [keys.LegacyOrigin]. pristine says that there is neither log nor snapshot.
func Open(n note.Store, pristine bool) (*Origins, error) {
	o := &Origins{notes: n, turn: make(chan struct{}, 1)}
	var f Founded
	switch ok, err := note.Read(n, note.Origin, &f); {
	case err != nil:
		return nil, err
	case ok && !f.Exists():
		return nil, fmt.Errorf("the file %s of the data directory is damaged: it names no agency", note.Origin)
	case ok:
		o.set(f)
	case !pristine:
		o.set(Founded{Origin: keys.LegacyOrigin})
	}
	return o, nil
}

func (o *Origins) set(f Founded) {
	o.mine.Store(&f)
	o.header.Store(&[]string{f.Text()})
}

// Origin is the origin of the agency, zero while the agent belongs to none.
func (o *Origins) Origin() keys.Origin {
	if f := o.mine.Load(); f != nil {
		return f.Origin
	}
	return keys.Origin{}
}

// Header is the value of [keys.OriginHeader] in every answer, nil while the agent belongs to no
// agency. The list must not be changed.
func (o *Origins) Header() []string {
	if h := o.header.Load(); h != nil {
		return *h
	}
	return nil
}

// Part is what the agent knows of its own part in the founding; zero if it belongs to no agency.
func (o *Origins) Part() Founded {
	if f := o.mine.Load(); f != nil {
		return *f
	}
	return Founded{}
}

// Become makes the agent belong to an agency, durably. The error wraps [ErrStranger] if it belongs
// to another one.
func (o *Origins) Become(f Founded) error {
	o.turn <- struct{}{}
	defer func() { <-o.turn }()
	switch mine := o.Part(); {
	case mine.Exists() && mine.Origin != f.Origin:
		return fmt.Errorf("%w: it belongs to %s, not to %s", ErrStranger, mine.Origin, f.Origin)
	case mine.Exists() && (len(f.Seeds) == 0 || len(mine.Seeds) > 0):
		return nil
	}
	if err := note.Write(o.notes, note.Origin, f); err != nil {
		return err
	}
	o.set(f)
	return nil
}

// Forget makes the agent belong to no agency. Call it only before anything is served.
func (o *Origins) Forget() error {
	if !o.Origin().Exists() {
		return nil
	}
	o.mine.Store(nil)
	o.header.Store(nil)
	return o.notes.RemoveNote(note.Origin)
}

// RefuseRequest says why a request for the agency theirs is not served here, nil if it is. A
// client that knows an earlier incarnation only is served, and learns of this one by the answer.
// Nothing has been done when a request is refused.
func (o *Origins) RefuseRequest(theirs keys.Origin) error {
	mine := o.Origin()
	if !mine.Exists() {
		return nil
	}
	if kin := mine.Sees(theirs); kin == keys.Same || kin == keys.Older || failpoint.Off("request-for-this-agency") {
		return nil
	}
	return apierror.New(apierror.WrongAgency, "this agent belongs to %s, the request is for %s: nothing was done", mine, theirs)
}

// RefuseMember says why an agent whose directory belongs to theirs is not taken in as a member,
// nil if it is. A directory from an earlier incarnation has entries that a recovery left behind.
func (o *Origins) RefuseMember(theirs keys.Origin) error {
	if mine := o.Origin(); theirs.Exists() && theirs != mine && !failpoint.Off("member-of-this-incarnation") {
		return apierror.New(apierror.WrongAgency, "this agent belongs to %s, the one that asks to %s", mine, theirs)
	}
	return nil
}
