package control

import (
	"os"
	"strings"
	"time"

	"stasis/fault"
)

// Network is what orders break: a *fault.Network.
type Network interface {
	Cut(from, to string)
	Heal(from, to string)
	HealAll()
	Delay(from, to string, d time.Duration)
	Throttle(from, to string, bytesPerSecond int64)
	Drop(from, to string)
	Reset(a, b string)
	Isolate(name string)
	Rejoin(name string)
	Freeze(name string)
	Thaw(name string)
	Met(from, to string) int
	Tally(from, to string) fault.Tally
	Rules() []fault.Rule
}

// Ending is a rule that tells how often it was met, and that can be taken back: a rule about messages.
type Ending interface {
	Met() int
	End()
}

// Parts are what of a process can be broken. Zero fields cannot; an order for one is refused.
type Parts struct {
	Names   func() []string // of the servers in the process
	ID      func() string   // of the server that the process is; "": it is not known yet
	Network Network
	Message func(fault.Message) (Ending, error)
	Latency func(Order)                     // From, To ("" and "": all links), By, Jitter, Seed
	Disk    func(server string) *fault.Disk // nil: the server has none that can be broken
	Steps   *Steps
	Clock   func(server string, by time.Duration) error // sets a wall clock off
	Clocked func(server string) int                     // how often the clock was read while it was wrong; nil: not counted
	Random  func(Random) error                          // random delays at failpoints
	Delayed func() int                                  // how often they were met; nil: not counted
}

// Faults carry orders out that break their own process. They are a [Handler].
type Faults struct {
	parts Parts
	rules rules
	turn  chan struct{} // one token: who has it may change what is in force
}

// NewFaults makes Faults.
func NewFaults(p Parts) *Faults { return &Faults{parts: p, turn: make(chan struct{}, 1)} }

func (f *Faults) hello(*Session, Order) (Answer, error) {
	h := Self()
	h.Lab, h.Servers = true, f.parts.Names()
	if f.parts.ID != nil {
		h.ID = f.parts.ID()
	}
	return Answer{Hello: &h}, nil
}

// started is when this process was.
var started = time.Now().UTC()

// Self is what each process says of itself in its Hello.
func Self() Hello { return Hello{Version: Version, PID: os.Getpid(), Started: started} }

// server gives the server that an order names, or the only one.
func (f *Faults) server(o Order) (string, error) {
	names := f.parts.Names()
	if o.Server == "" && len(names) == 1 {
		return names[0], nil
	}
	for _, name := range names {
		if name == o.Server {
			return name, nil
		}
	}
	return "", Errorf(NoSuchServer, "no server %q in this process: there is %s", o.Server, strings.Join(names, ", "))
}

func (f *Faults) watch(s *Session, _ Order) (Answer, error) {
	if f.parts.Steps == nil {
		return Answer{}, Errorf(CannotDo, "this process gives no events")
	}
	s.OnEnd(f.parts.Steps.watch(s.Send))
	return Answer{}, nil
}

func (f *Faults) clock(_ *Session, o Order) (Answer, error) {
	server, err := f.server(o)
	if err == nil && f.parts.Clock == nil {
		err = Errorf(CannotDo, "the wall clock of this process cannot be set off")
	}
	if err != nil {
		return Answer{}, err
	}
	if err := f.parts.Clock(server, o.By); err != nil {
		return Answer{}, err
	}
	f.rules.drop("clock", server)
	if o.By == 0 {
		return Answer{}, nil
	}
	met := none
	if f.parts.Clocked != nil {
		met = sinceNow(func() int { return f.parts.Clocked(server) })
	}
	r := f.rules.add(Rule{Kind: "clock", Server: server, By: o.By}, met, func() { _ = f.parts.Clock(server, 0) })
	return Answer{Rule: &r}, nil
}

func (f *Faults) random(_ *Session, o Order) (Answer, error) {
	switch {
	case f.parts.Random == nil:
		return Answer{}, Errorf(CannotDo, "random delays of this process cannot be set over its socket")
	case o.Random == nil:
		return Answer{}, Errorf(BadOrder, "random delays need a seed, a probability and the longest delay")
	}
	if err := f.parts.Random(*o.Random); err != nil {
		return Answer{}, err
	}
	f.rules.drop("buggify", "")
	if o.Random.Probability == 0 {
		return Answer{}, nil
	}
	met := none
	if f.parts.Delayed != nil {
		met = f.parts.Delayed
	}
	r := f.rules.add(Rule{Kind: "buggify", By: o.Random.Most}, met, func() { _ = f.parts.Random(Random{}) })
	return Answer{Rule: &r}, nil
}

func (f *Faults) list(*Session, Order) (Answer, error) { return Answer{Rules: f.rules.list()}, nil }

func (f *Faults) ruleMet(_ *Session, o Order) (Answer, error) {
	r, ok := f.rules.find(o.Rule)
	if !ok {
		return Answer{}, noRule(o)
	}
	return Answer{Met: r.Met, Rule: &r}, nil
}

func (f *Faults) ruleEnd(_ *Session, o Order) (Answer, error) {
	r, ok := f.rules.end(o.Rule)
	if !ok {
		return Answer{}, noRule(o)
	}
	return Answer{Met: r.Met, Rule: &r}, nil
}

func noRule(o Order) error {
	return Errorf(NoSuchRule, "there is no rule %d: it has ended, or the process was started again", o.Rule)
}

func (f *Faults) healAll(*Session, Order) (Answer, error) {
	f.rules.endAll()
	if f.parts.Network != nil {
		f.parts.Network.HealAll()
	}
	return Answer{}, nil
}
