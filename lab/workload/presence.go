package workload

import (
	"fmt"
	"strings"
	"time"

	"stasis/lab/history"
)

// Writes of schema.
const (
	creating = "create"
	dropping = "drop"
)

// presence is what is known of one collection: when it was created and dropped, and whether the state has it.
type presence struct {
	name          string
	created       bool // by a client that was not refused, or with the state that was restored
	begun, made   history.Moment
	dropped, gone history.Moment // an Order of 0: not, or it is not known
	refused       []history.Op
	found         bool
}

// judgeSchema judges which collections there are.
func judgeSchema(g generation, found State, cut Cut) Findings {
	all, w, j := presences(g, found), windowOf(g.ops, cut), newJudgement(cut)
	wrong := make([]int, len(w)+1) // of each instant: how much it differs from the one before in how many contradict it
	for _, name := range sortedKeys(all) {
		p := all[name]
		if p.found && !p.created {
			p.invented(j)
			continue
		}
		spans := p.cannot(w)
		if covered(spans, len(w)) {
			p.impossible(j)
			continue
		}
		for _, s := range spans {
			wrong[s[0]]++
			wrong[s[1]]--
		}
	}
	from, to, least := calmest(wrong)
	if least > 0 {
		j.problem("not one instant: of all moments %v contradicts the fewest collections, and it contradicts %s", w[from].At.Round(time.Microsecond), contradict(all, w, from))
	}
	f := w.tally(g.ops, from, func(o history.Op) bool { return all[o.Key].has(o) })
	f.Problems, f.Earliest, f.Latest = j.done().Problems, w[from].At, w.end(to, cut)
	return f
}

// presences sorts operations by collection.
func presences(g generation, found State) map[string]*presence {
	all := map[string]*presence{}
	at := func(name string) *presence {
		if all[name] == nil {
			all[name] = &presence{name: name}
		}
		return all[name]
	}
	for name := range g.base {
		p := at(name)
		p.created, p.begun, p.made = true, g.at, g.at
	}
	for _, o := range g.ops {
		at(o.Key).add(o)
	}
	for name := range found {
		at(name).found = true
	}
	return all
}

func (p *presence) add(o history.Op) {
	begin, end := history.Moment{At: o.Begin, Order: o.BeginOrder}, history.Moment{}
	if o.Outcome == history.OK {
		end = history.Moment{At: o.End, Order: o.EndOrder}
	}
	switch {
	case o.Outcome == history.Fail:
		p.refused = append(p.refused, o)
	case o.Kind == creating && !p.created:
		p.created, p.begun, p.made = true, begin, end
	case o.Kind == dropping:
		if p.dropped.Order == 0 {
			p.dropped = begin
		}
		p.gone = end
	}
}

// has says whether the state has what an operation does.
func (p *presence) has(o history.Op) bool { return p.found == (o.Kind == creating) }

// invented says that no client has created it.
func (p *presence) invented(j *judgement) {
	for _, o := range p.refused {
		if o.Kind == creating {
			j.problem("create of %s was refused, and was done nevertheless: it is there", p.name)
			return
		}
	}
	j.problem("%s is there, and no client created it", p.name)
}

// cannot gives the instants at which the collection cannot have been as the state has it: from the first number on, before
// the second.
func (p *presence) cannot(w window) [][2]int {
	var spans [][2]int
	add := func(from, to int) {
		if from < to {
			spans = append(spans, [2]int{from, to})
		}
	}
	if p.found {
		add(0, w.first(p.begun.Order))
		if p.gone.Order != 0 {
			add(w.first(p.gone.Order), len(w))
		}
		return spans
	}
	if p.made.Order != 0 {
		until := len(w)
		if p.dropped.Order != 0 {
			until = w.first(p.dropped.Order)
		}
		add(w.first(p.made.Order), until)
	}
	return spans
}

// covered says whether no instant is left.
func covered(spans [][2]int, n int) bool {
	at := 0
	for _, s := range spans {
		if s[0] > at {
			return false
		}
		at = max(at, s[1])
	}
	return at >= n
}

// impossible says why the collection can have been as the state has it at no instant.
func (p *presence) impossible(j *judgement) {
	round := func(m history.Moment) time.Duration { return m.At.Round(time.Microsecond) }
	switch {
	case !p.found:
		j.problem("missing: the creation of %s was acknowledged at %v, before the instant could be, and it is not there", p.name, round(p.made))
	case p.gone.Order != 0 && p.gone.Order <= j.cut.Asked.Order:
		j.problem("undead: that %s is dropped was acknowledged at %v, before the instant could be, and it is there", p.name, round(p.gone))
	default:
		j.problem("too late: the creation of %s began at %v, after the instant could be, and it is there", p.name, round(p.begun))
	}
}

// calmest are the first and the last instant that the fewest collections contradict. Between them there can be others: a collection
// that is not there was not created yet, or was dropped.
func calmest(wrong []int) (from, to, least int) {
	now := 0
	for i, d := range wrong[:len(wrong)-1] {
		switch now += d; {
		case i == 0 || now < least:
			from, to, least = i, i, now
		case now == least:
			to = i
		}
	}
	return from, to, least
}

// contradict names the collections that contradict an instant.
func contradict(all map[string]*presence, w window, i int) string {
	var names []string
	for _, name := range sortedKeys(all) {
		for _, s := range all[name].cannot(w) {
			if i >= s[0] && i < s[1] {
				is := "is not there"
				if all[name].found {
					is = "is there"
				}
				names = append(names, fmt.Sprintf("%s, which %s", name, is))
			}
		}
	}
	return strings.Join(names, "; ")
}
