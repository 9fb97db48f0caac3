package control

import (
	"context"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// verbs are what Faults can do.
var verbs = map[Verb]func(*Faults, *Session, Order) (Answer, error){
	HelloVerb: (*Faults).hello,
	NetCut:    (*Faults).link, NetDelay: (*Faults).link, NetThrottle: (*Faults).link,
	NetHeal: (*Faults).healLink, NetDrop: (*Faults).strike, NetReset: (*Faults).strike,
	NetIsolate: (*Faults).host, NetFreeze: (*Faults).host, NetRejoin: (*Faults).healHost, NetThaw: (*Faults).healHost,
	NetHealAll: (*Faults).healNetwork, NetLatency: (*Faults).latency, NetMessage: (*Faults).message, NetMet: (*Faults).netMet,
	DiskHang: (*Faults).disk, DiskSlow: (*Faults).disk, DiskFail: (*Faults).disk, DiskFill: (*Faults).disk, DiskHeal: (*Faults).healDisk,
	RuleList: (*Faults).list, RuleMet: (*Faults).ruleMet, RuleEnd: (*Faults).ruleEnd, HealAll: (*Faults).healAll,
	Watch: (*Faults).watch, Hold: (*Faults).hold, Release: (*Faults).release,
	Clock: (*Faults).clock, Buggify: (*Faults).random,
}

// Handle carries an order out. Orders that change what is in force come one after the other, each as one step: of two about the
// same link the last one stands, and says what it has replaced.
func (f *Faults) Handle(ctx context.Context, s *Session, o Order) (Answer, error) {
	do := verbs[o.Do]
	if do == nil {
		return Answer{}, Errorf(CannotDo, "this process cannot do %q: it can do %s", o.Do, verbNames())
	}
	if err := o.check(); err != nil {
		return Answer{}, err
	}
	select {
	case f.turn <- struct{}{}:
	case <-ctx.Done():
		return Answer{}, Errorf(Lost, "%q was not done: the connection ended while another order was", o.Do)
	}
	defer func() { <-f.turn }()
	if makes[o.Do] {
		if err := f.rules.full(); err != nil {
			return Answer{}, err
		}
	}
	return do(f, s, o)
}

// makes are the verbs that make rules.
var makes = map[Verb]bool{
	NetCut: true, NetDelay: true, NetThrottle: true, NetIsolate: true, NetFreeze: true, NetMessage: true,
	DiskHang: true, DiskSlow: true, DiskFail: true, DiskFill: true, Hold: true, Clock: true, Buggify: true,
}

func verbNames() string {
	var names []string
	for verb := range maps.Keys(verbs) {
		names = append(names, strconv.Quote(string(verb)))
	}
	slices.Sort(names)
	return strings.Join(names, ", ")
}
