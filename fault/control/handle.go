package control

import "context"

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

// Handle carries an order out.
func (f *Faults) Handle(_ context.Context, s *Session, o Order) (Answer, error) {
	do := verbs[o.Do]
	if do == nil {
		return Answer{}, Errorf(CannotDo, "this process cannot do %q", o.Do)
	}
	return do(f, s, o)
}
