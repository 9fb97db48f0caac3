package workload

import (
	"sort"

	"stasis/lab/history"
)

// timeline has, for each version of a document, when it can have come to be.
type timeline struct {
	holders []link
	spans   []span
}

// timeline puts the versions of a cell in time. A version is no earlier than those before it, and no later than
// those after it; a read puts what it saw before its end, and what it did not see after its beginning.
func (c *cell) timeline(holders []link) timeline {
	t := timeline{holders, make([]span, len(holders))}
	at := func(n int) int { // the first version above n
		return sort.Search(len(holders), func(i int) bool { return holders[i].N > n })
	}
	for i, l := range holders {
		what := l.text(c.key)
		t.spans[i].notBefore(begunBy(l.op, what))
		if l.op.Outcome == history.OK {
			t.spans[i].notAfter(ackedBy(l.op, what))
		}
	}
	for _, r := range c.reads {
		i := at(r.N)
		if i > 0 {
			t.spans[i-1].notAfter(seenBy(r.op, holders[i-1].text(c.key)))
		}
		if i < len(holders) {
			t.spans[i].notBefore(unseenBy(r.op, holders[i].text(c.key)))
		}
	}
	t.inOrder()
	return t
}

// inOrder lets each version tell of those before it and after it.
func (t timeline) inOrder() {
	for i := 1; i < len(t.spans); i++ {
		t.spans[i].notBefore(t.spans[i-1].after)
	}
	for i := len(t.spans) - 2; i >= 0; i-- {
		t.spans[i].notAfter(t.spans[i+1].before)
	}
}

// senseless finds versions that can have come to be at no moment: what clients saw has no order.
func (t timeline) senseless(j *judgement) {
	for _, s := range t.spans {
		if s.before.Order != 0 && s.after.Order > s.before.Order {
			j.problem("what clients saw has no order: %s, but %s", s.before.text(), s.after.text())
			return // the others of this document follow from it
		}
	}
}

// cut is where an instant can be at which the document has version n.
func (t timeline) cut(n int) (s span) {
	for i, l := range t.holders {
		if l.N <= n {
			s.after = t.spans[i].after
		} else if s.before.Order == 0 {
			s.before = t.spans[i].before
		}
	}
	return s
}

// judgeCells judges a state whose documents have versions.
func judgeCells(g generation, found State, cut Cut) (map[string]*cell, *judgement, error) {
	all, err := cells(g, found)
	if err != nil {
		return nil, nil, err
	}
	j := newJudgement(cut)
	for _, key := range sortedKeys(all) {
		j.cell(all[key], all[key].ordered(j), g.whole)
	}
	return all, j, nil
}

// ordered puts the versions of a document in their order.
func (c *cell) ordered(j *judgement) timeline {
	holders := c.order(j)
	c.content(j)
	return c.timeline(holders)
}

// cell judges what a document has, by when its versions came to be.
func (j *judgement) cell(c *cell, t timeline, whole bool) {
	if whole {
		t.senseless(j)
	}
	j.place(t.cut(c.found.N))
	c.count(j)
}

// count counts the writes that the state has and lacks.
func (c *cell) count(j *judgement) {
	for _, l := range c.links {
		switch {
		case l.op.Outcome == history.Fail:
			continue
		case l.op.Outcome == history.Info:
			j.Unknown++
		}
		if c.has(l) {
			j.Present++
		} else {
			j.Absent++
		}
	}
}

// has says whether the state has the effect of a write.
func (c *cell) has(l link) bool {
	return l.N <= c.found.N && c.proof[l.N][l.ID] != ""
}
