package control

import (
	"strings"

	"stasis/fault"
)

// network refuses orders that lack a network or a host.
func (f *Faults) network(o Order, hosts ...string) error {
	if f.parts.Network == nil {
		return Errorf(CannotDo, "the network of this process cannot be broken")
	}
	for _, host := range hosts {
		if host == "" {
			return Errorf(BadOrder, "%q needs the names of hosts", o.Do)
		}
	}
	return nil
}

// kind is the second word of a verb.
func (v Verb) kind() string { return string(v)[strings.IndexByte(string(v), ' ')+1:] }

// sameLink selects the rule of a kind about one direction.
func sameLink(kind, from, to string) func(Rule) bool {
	return func(r Rule) bool { return r.Kind == kind && r.From == from && r.To == to }
}

// link sets a rule of one direction, or of both.
func (f *Faults) link(_ *Session, o Order) (a Answer, err error) {
	switch err = f.network(o, o.From, o.To); {
	case err != nil:
	case o.By < 0:
		err = Errorf(BadOrder, "a delay of %v: want 0 or more", o.By)
	case o.Rate < 0:
		err = Errorf(BadOrder, "a rate of %d bytes a second: want 0 or more", o.Rate)
	case o.Both && o.From == o.To:
		err = Errorf(BadOrder, "%s and itself: a rule of both directions needs two hosts", o.From)
	}
	if err != nil {
		return a, err
	}
	f.way(&a, o)
	if o.Both {
		a.Rules, a.Rule = oneOf(a.Rule), nil
		o.From, o.To = o.To, o.From
		f.way(&a, o)
		a.Rules, a.Rule = append(a.Rules, oneOf(a.Rule)...), nil
	}
	return a, nil
}

func oneOf(r *Rule) []Rule {
	if r == nil {
		return nil
	}
	return []Rule{*r}
}

// freeze makes a host silent, or one direction of a link, or both.
func (f *Faults) freeze(s *Session, o Order) (Answer, error) {
	if o.ofLink() {
		return f.link(s, o)
	}
	return f.host(s, o)
}

// thaw takes freeze back.
func (f *Faults) thaw(s *Session, o Order) (Answer, error) {
	if o.ofLink() {
		return f.healLink(s, o)
	}
	return f.healHost(s, o)
}

// ofLink reports whether an order to freeze or thaw is about a link.
func (o Order) ofLink() bool { return o.From != "" || o.To != "" }

// way sets a rule of one direction. It takes the place of the one of its kind that there is.
func (f *Faults) way(a *Answer, o Order) {
	net := f.parts.Network
	var set, undo func()
	rule := Rule{Kind: o.Do.kind(), From: o.From, To: o.To}
	switch o.Do {
	case NetCut:
		set, undo = func() { net.Cut(o.From, o.To) }, func() { net.Heal(o.From, o.To) }
	case NetFreeze:
		set, undo = func() { net.FreezeLink(o.From, o.To) }, func() { net.ThawLink(o.From, o.To) }
	case NetDelay:
		rule.By = o.By
		set, undo = func() { net.Delay(o.From, o.To, o.By) }, func() { net.Delay(o.From, o.To, 0) }
	default:
		rule.Rate = o.Rate
		set, undo = func() { net.Throttle(o.From, o.To, o.Rate) }, func() { net.Throttle(o.From, o.To, 0) }
	}
	a.Replaced = append(a.Replaced, last(f.rules.take(sameLink(o.Do.kind(), o.From, o.To)))...)
	met := sinceNow(func() int { return metOf(net.Tally(o.From, o.To), o.Do) })
	set()
	if o.Do == NetDelay && o.By == 0 || o.Do == NetThrottle && o.Rate == 0 {
		return // it was taken back
	}
	r := f.rules.add(rule, met, undo)
	a.Rule = &r
}

// metOf is how often the rule of a verb was met.
func metOf(t fault.Tally, do Verb) int {
	switch do {
	case NetCut:
		return t.Held.Pieces
	case NetDelay:
		return t.Delayed.Pieces
	case NetFreeze:
		return t.Frozen.Pieces
	}
	return t.Throttled.Pieces
}

// healLink takes a cut back, or thaws a link.
func (f *Faults) healLink(_ *Session, o Order) (a Answer, err error) {
	if err := f.network(o, o.From, o.To); err != nil {
		return Answer{}, err
	}
	kind, heal := NetCut.kind(), f.parts.Network.Heal
	if o.Do == NetThaw {
		kind, heal = NetFreeze.kind(), f.parts.Network.ThawLink
	}
	ways := [][2]string{{o.From, o.To}}
	if o.Both {
		ways = append(ways, [2]string{o.To, o.From})
	}
	for _, way := range ways {
		a.Replaced = append(a.Replaced, last(f.rules.take(sameLink(kind, way[0], way[1])))...)
		heal(way[0], way[1])
	}
	return a, nil
}

// strike does something to the connections that there are. Met of the answer counts the connections that were reset, or the pieces that were lost:
// with 0 there was nothing to break.
func (f *Faults) strike(_ *Session, o Order) (Answer, error) {
	if err := f.network(o, o.From, o.To); err != nil {
		return Answer{}, err
	}
	net := f.parts.Network
	there, back := net.Tally(o.From, o.To), net.Tally(o.To, o.From)
	if o.Do == NetReset {
		net.Reset(o.From, o.To)
		return Answer{Met: net.Tally(o.From, o.To).Reset - there.Reset}, nil // both directions count it
	}
	net.Drop(o.From, o.To)
	if o.Both {
		net.Drop(o.To, o.From)
	}
	return Answer{Met: net.Tally(o.From, o.To).Lost.Pieces - there.Lost.Pieces + net.Tally(o.To, o.From).Lost.Pieces - back.Lost.Pieces}, nil
}

// host sets a rule of one host.
func (f *Faults) host(_ *Session, o Order) (Answer, error) {
	if err := f.network(o, o.Server); err != nil {
		return Answer{}, err
	}
	net := f.parts.Network
	var undo func()
	if o.Do == NetIsolate {
		net.Isolate(o.Server)
		undo = func() { net.Rejoin(o.Server) }
	} else {
		net.Freeze(o.Server)
		undo = func() { net.Thaw(o.Server) }
	}
	replaced := f.rules.drop(o.Do.kind(), o.Server)
	met := sinceNow(func() int {
		for _, r := range net.Rules() {
			if r.Kind == o.Do.kind() && r.From == o.Server && r.To == "" {
				return r.Met
			}
		}
		return 0
	})
	r := f.rules.add(Rule{Kind: o.Do.kind(), Server: o.Server}, met, undo)
	return Answer{Rule: &r, Replaced: replaced}, nil
}

func (f *Faults) healHost(_ *Session, o Order) (Answer, error) {
	if err := f.network(o, o.Server); err != nil {
		return Answer{}, err
	}
	if o.Do == NetRejoin {
		f.rules.drop(NetIsolate.kind(), o.Server)
		f.parts.Network.Rejoin(o.Server)
	} else {
		f.rules.drop(NetFreeze.kind(), o.Server)
		f.parts.Network.Thaw(o.Server)
	}
	return Answer{}, nil
}

// healNetwork takes all rules of the network back. The baseline latency stays.
func (f *Faults) healNetwork(_ *Session, o Order) (Answer, error) {
	if err := f.network(o); err != nil {
		return Answer{}, err
	}
	f.rules.endThose(Rule.OfNetwork)
	f.parts.Network.HealAll()
	return Answer{}, nil
}

// OfNetwork reports whether an order changes rules of the network.
func (o Order) OfNetwork() bool { return strings.HasPrefix(string(o.Do), "net ") && o.Do != NetMet }

// OfNetwork reports whether a rule is one of the network.
func (r Rule) OfNetwork() bool {
	switch r.Kind {
	case "cut", "delay", "throttle", "isolate", "freeze", "message":
		return true
	}
	return false
}

func (f *Faults) latency(_ *Session, o Order) (Answer, error) {
	switch {
	case f.parts.Latency == nil:
		return Answer{}, Errorf(CannotDo, "the network of this process has no latency that can be set")
	case o.By < 0 || o.Jitter < 0:
		return Answer{}, Errorf(BadOrder, "a latency of %v with a jitter of %v: want 0 or more", o.By, o.Jitter)
	}
	f.parts.Latency(o)
	return Answer{}, nil
}

func (f *Faults) message(_ *Session, o Order) (Answer, error) {
	switch {
	case f.parts.Message == nil:
		return Answer{}, Errorf(CannotDo, "messages of this process cannot be broken")
	case o.Message == nil:
		return Answer{}, Errorf(BadOrder, "a rule about messages needs the message")
	}
	set, err := f.parts.Message(*o.Message)
	if err != nil {
		return Answer{}, Errorf(BadOrder, "%v", err)
	}
	r := f.rules.add(Rule{Kind: "message", From: o.Message.From, To: o.Message.To, Message: o.Message}, set.Met, set.End)
	return Answer{Rule: &r}, nil
}

func (f *Faults) netMet(_ *Session, o Order) (Answer, error) {
	if err := f.network(o, o.From, o.To); err != nil {
		return Answer{}, err
	}
	return Answer{Met: f.parts.Network.Met(o.From, o.To)}, nil
}
