package agency

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/hashicorp/raft"

	"stasis/agency/keys"
	"stasis/agency/note"
	"stasis/agency/port"
	"stasis/internal/apierror"
	"stasis/internal/failpoint"
)

// founded is the note that says which agency a directory belongs to. Members and
// Seeds are there if this agent took part in the founding: see founding.go.
type founded struct {
	keys.Origin
	Members map[string]string `json:"members,omitempty"` // id → host:port
	Seeds   map[string]string `json:"seeds,omitempty"`   // id → seed of its directory
}

// origins keeps which agency the agent belongs to. It is set once: at the founding, or
// by the first leader that reaches an agent without one.
type origins struct {
	notes  note.Store
	turn   chan struct{} // one token: a change at a time
	mine   atomic.Pointer[founded]
	header atomic.Pointer[[]string] // of every answer
}

// openOrigins reads the note. A directory with a log and without a note is from before
// there were origins.
func openOrigins(n note.Store, pristine bool) (*origins, error) {
	o := &origins{notes: n, turn: make(chan struct{}, 1)}
	var f founded
	switch ok, err := note.Read(n, note.Origin, &f); {
	case err != nil:
		return nil, err
	case ok && !f.Exists():
		return nil, fmt.Errorf("the file %s of the data directory is damaged: it names no agency", note.Origin)
	case ok:
		o.set(f)
	case !pristine:
		o.set(founded{Origin: keys.LegacyOrigin})
	}
	return o, nil
}

func (o *origins) set(f founded) {
	o.mine.Store(&f)
	o.header.Store(&[]string{f.Text()})
}

// origin is the agency's, zero while this agent belongs to none.
func (o *origins) origin() keys.Origin {
	if f := o.mine.Load(); f != nil {
		return f.Origin
	}
	return keys.Origin{}
}

// part is what the agent knows of its own part in the founding.
func (o *origins) part() founded {
	if f := o.mine.Load(); f != nil {
		return *f
	}
	return founded{}
}

// become makes the agent belong to an agency, durably. It fails if it belongs to
// another one.
func (o *origins) become(f founded) error {
	o.turn <- struct{}{}
	defer func() { <-o.turn }()
	switch mine := o.part(); {
	case mine.Exists() && mine.Origin != f.Origin:
		return fmt.Errorf("%w: it belongs to %s, not to %s", errStranger, mine.Origin, f.Origin)
	case mine.Exists() && (len(f.Seeds) == 0 || len(mine.Seeds) > 0):
		return nil
	}
	if err := note.Write(o.notes, note.Origin, f); err != nil {
		return err
	}
	o.set(f)
	return nil
}

// forget makes the agent belong nowhere. Only before anything is served.
func (o *origins) forget() error {
	if !o.origin().Exists() {
		return nil
	}
	o.mine.Store(nil)
	o.header.Store(nil)
	return o.notes.RemoveNote(note.Origin)
}

// errStranger is one of two agents that do not belong to the same agency, or not to the
// same incarnation of it.
var errStranger = errors.New("stranger to this agency")

// strangers are the agents that were met under the ids of others and belong elsewhere.
type strangers struct {
	mu   sync.Mutex
	met  map[string]keys.Origin // by id; until that agent is met as one of ours
	told map[string]keys.Origin // what the log has
}

// note remembers what an agent of that id belongs to, and says whether that is new to
// the log.
func (s *strangers) note(id string, theirs keys.Origin, same bool) (news bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if same {
		delete(s.met, id)
		return false
	}
	news = s.told[id] != theirs
	s.met[id], s.told[id] = theirs, theirs
	return news
}

// ids are those under which strangers were met.
func (s *strangers) ids() map[string]keys.Origin {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.met)
}

// meet compares the agency that another agent belongs to with this agent's, and decides
// which of the two is the stranger:
//
//   - Of two incarnations the older one is: whoever recovered the agency has decided that
//     it goes on without that one's newest entries, so those must not come back.
//   - Between two agencies nothing tells who is right, so an agent stops itself only if
//     it can have no leader any more: so many of its members' places are held by agents of
//     other agencies that the rest is no majority. One that has its majority goes on. Two
//     agencies cannot both have that among the same places.
//
// The error says that the other one is to be refused.
func (a *Agent) meet(id string, theirs keys.Origin) error {
	mine := a.origins.origin()
	kin := mine.Sees(theirs)
	news := a.strangers.note(id, theirs, kin == keys.Same)
	if kin == keys.Same {
		return nil
	}
	if news {
		a.logger.Warn("refusing an agent that does not belong to this agency", "agent", id, "belongs to", theirs.String(), "this agent", mine.String())
	}
	switch {
	case kin == keys.Newer:
		a.giveUp(fmt.Errorf("%w: %s goes on as incarnation %d (met at %s): it was recovered, and this agent has the incarnation %d from before. "+
			"Delete this agent's data directory and start it with --join", errStranger, mine.Agency, theirs.Incarnation, id, mine.Incarnation))
	case kin == keys.Foreign:
		a.giveUpMinority()
	}
	return fmt.Errorf("%w: %s belongs to %s, this agent to %s", errStranger, id, theirs, mine)
}

// giveUpMinority stops the agent if strangers hold so many places of its agency that the
// rest is no majority.
func (a *Agent) giveUpMinority() {
	if !a.joined.Load() {
		return // its members are not known yet; strangers are met again
	}
	met, voters, ours := a.strangers.ids(), 0, 0
	var names []string
	for _, s := range a.members().Servers {
		if s.Suffrage != raft.Voter {
			continue
		}
		voters++
		if theirs, ok := met[string(s.ID)]; ok {
			names = append(names, string(s.ID)+" belongs to "+theirs.String())
		} else {
			ours++
		}
	}
	if len(names) == 0 || ours > voters/2 {
		return
	}
	slices.Sort(names)
	a.giveUp(fmt.Errorf("%w: this agent belongs to %s, which has no majority left: of its %d agents %v. "+
		"If the other agency is the right one, delete this agent's data directory and start it with --join. If this agent has what is to be kept, "+
		"stop the others, and run \"stasis agency recover\" on its data directory", errStranger, a.origins.origin(), voters, names))
}

// giveUp stops the agent by itself; the first reason counts.
func (a *Agent) giveUp(err error) {
	a.standing.say(err.Error())
	select {
	case a.fatal <- err:
	default: // it is stopping already
	}
}

// greet is asked when another agent opens a Raft stream to this one. An agent that
// belongs nowhere becomes a member of the agency whose leader calls it: that one has it
// among its members. Who only wants to lead gets no vote from it anyway.
func (a *Agent) greet(h port.Hello) error {
	if !h.Origin.Exists() {
		return fmt.Errorf("%w: %s belongs to no agency", errStranger, h.From)
	}
	if !a.origins.origin().Exists() {
		if !h.Leads {
			return errOnProbation
		}
		if err := a.origins.become(founded{Origin: h.Origin}); err == nil {
			a.logger.Info("this agent belongs to an agency now", "origin", h.Origin.String(), "leader", h.From)
		} else if !errors.Is(err, errStranger) {
			return err
		}
	}
	if failpoint.Off("raft-refuses-strangers") {
		return nil
	}
	return a.meet(h.From, h.Origin)
}

// standing says what an agent that does not serve waits for; "" if there is nothing to say.
type standing struct {
	text atomic.Pointer[string]
}

func (s *standing) say(text string) (news bool) {
	old := s.text.Swap(&text)
	return old == nil && text != "" || old != nil && *old != text
}

func (s *standing) String() string {
	if text := s.text.Load(); text != nil {
		return *text
	}
	return ""
}

// misdirectedBy refuses a request that is meant for another agency, or for a later
// incarnation of this one, before anything is done. Who knows an earlier incarnation only
// is served, and learns of this one by the answer.
func (a *Agent) misdirectedBy(asked http.Header) error {
	named := asked[keys.OriginHeader]
	if len(named) == 0 || named[0] == "" {
		return nil
	}
	header, mine := a.origins.header.Load(), a.origins.origin()
	if header == nil || named[0] == (*header)[0] {
		return nil
	}
	theirs, err := keys.ParseOrigin(named[0])
	if err != nil {
		return badRequest("header %s: %v", keys.OriginHeader, err)
	}
	if kin := mine.Sees(theirs); kin == keys.Same || kin == keys.Older || failpoint.Off("request-for-this-agency") {
		return nil
	}
	return apierror.New(apierror.WrongAgency, "this agent belongs to %s, the request is for %s: nothing was done", mine, theirs)
}

// refuseOlder refuses who asks to be a member with a directory from an earlier incarnation.
func (a *Agent) refuseOlder(header http.Header) error {
	theirs, err := keys.ParseOrigin(header.Get(keys.OriginHeader))
	if err != nil {
		return badRequest("header %s: %v", keys.OriginHeader, err)
	}
	if mine := a.origins.origin(); theirs.Exists() && theirs != mine && !failpoint.Off("member-of-this-incarnation") {
		return apierror.New(apierror.WrongAgency, "this agent belongs to %s, the one that asks to %s", mine, theirs)
	}
	return nil
}
