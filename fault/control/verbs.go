package control

import (
	"slices"
	"strconv"
	"strings"
)

// orders are all verbs, of servers and of stasis up.
var orders = []Verb{
	HelloVerb,
	NetCut, NetHeal, NetHealAll, NetDelay, NetThrottle, NetDrop, NetReset, NetIsolate, NetRejoin, NetFreeze, NetThaw, NetLatency, NetMessage, NetMet,
	DiskHang, DiskSlow, DiskFail, DiskFill, DiskHeal,
	RuleList, RuleMet, RuleEnd, HealAll,
	Watch, Hold, Release, Clock, Buggify,
	NodeList, NodeKill, NodePause, NodeResume, NodeRestart,
}

// known refuses a verb that no process does, with those that there are.
func (v Verb) known() error {
	if !slices.Contains(orders, v) {
		return Errorf(CannotDo, "there is no order %q: there are %s", v, quoted(orders))
	}
	return nil
}

func quoted(list []Verb) string {
	var names []string
	for _, verb := range slices.Sorted(slices.Values(list)) {
		names = append(names, strconv.Quote(string(verb)))
	}
	return strings.Join(names, ", ")
}
