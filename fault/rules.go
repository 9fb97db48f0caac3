package fault

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
)

// Rule is one thing that is not as on a whole network now.
type Rule struct {
	Kind     string // "latency", "isolate", "freeze", "cut", "freeze link", "delay", "throttle" or "message"
	From, To string // hosts; To is empty for a rule of one host
	Detail   string // how long, how much, or the message that is selected
	Met      int    // how often it was met: of a link, since the network was made
}

// String is the rule in one line.
func (r Rule) String() string {
	s := r.Kind
	if r.Kind != "message" && r.From != "" {
		s += " " + r.From
		if r.To != "" {
			s += " -> " + r.To
		}
	}
	if r.Detail != "" {
		s += " " + r.Detail
	}
	return fmt.Sprintf("%s (met %d)", s, r.Met)
}

// Rules lists what is broken now: the hosts by name, then the links, then the rules about messages in the order in which they
// were made. A latency of a link stands among its rules, though it is no fault. What Drop, HalfOpen and
// Reset did to connections is over, and not in the list: see [Network.Tally].
func (n *Network) Rules() []Rule {
	n.core.mu.Lock()
	var all []Rule
	for _, name := range slices.Sorted(maps.Keys(n.hosts)) {
		all = append(all, n.hosts[name].rules(n.links)...)
	}
	links := slices.SortedFunc(maps.Values(n.links), func(a, b *link) int {
		return cmp.Or(cmp.Compare(a.from.name, b.from.name), cmp.Compare(a.to.name, b.to.name))
	})
	for _, l := range links {
		all = append(all, l.rules()...)
	}
	n.core.mu.Unlock()
	for _, r := range n.messages.now() {
		all = append(all, Rule{Kind: "message", From: r.message.From, To: r.message.To, Detail: r.message.String(), Met: r.Met()})
	}
	return all
}

func (h *host) rules(links map[[2]string]*link) (all []Rule) {
	var held, frozen int
	for _, l := range links {
		if l.from == h || l.to == h {
			held += l.tally.Held.Pieces
		}
		if l.to == h {
			frozen += l.tally.Frozen.Pieces
		}
	}
	if h.isolated {
		all = append(all, Rule{Kind: "isolate", From: h.name, Met: held})
	}
	if h.frozen {
		all = append(all, Rule{Kind: "freeze", From: h.name, Met: frozen})
	}
	return all
}

func (l *link) rules() (all []Rule) {
	add := func(there bool, kind, detail string, met int) {
		if there {
			all = append(all, Rule{Kind: kind, From: l.from.name, To: l.to.name, Detail: detail, Met: met})
		}
	}
	add(l.latency.most > 0, "latency", fmt.Sprintf("%v..%v", l.latency.least, l.latency.most), 0)
	add(l.cut, "cut", "", l.tally.Held.Pieces)
	add(l.frozen, "freeze link", "", l.tally.Frozen.Pieces)
	add(l.delay > 0, "delay", l.delay.String(), l.tally.Delayed.Pieces)
	add(l.rate > 0, "throttle", fmt.Sprintf("%d bytes/s", l.rate), l.tally.Throttled.Pieces)
	return all
}
