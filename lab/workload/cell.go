package workload

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"stasis/lab/history"
)

// link is a write that was begun of one document.
type link struct {
	version
	op     history.Op
	before string
	doc    json.RawMessage
}

func (l link) text(key string) string {
	return fmt.Sprintf("%s %s of %s", l.op.Kind, l.ID, key)
}

// cell is what is known of one document: the writes and reads of clients, and what was found.
type cell struct {
	key   string
	links []link
	reads []link // what each saw; the version is 0 if there was nothing
	base  link   // what was there when the generation began; its version is 0 if there was nothing
	found link   // what the state has
	begun uint64 // the order of the moment when the generation began

	proof map[int]map[string]string // number → id → how it is known that this write made the version
	byID  map[string]*link
}

// cells sorts operations and documents by key.
func cells(g generation, found State) (map[string]*cell, error) {
	all := map[string]*cell{}
	at := func(key string) *cell {
		if all[key] == nil {
			all[key] = &cell{key: key, begun: g.at.Order}
		}
		return all[key]
	}
	for _, o := range g.ops {
		if err := at(o.Key).add(o); err != nil {
			return nil, fmt.Errorf("operation %d of the history: %w", o.BeginOrder, err)
		}
	}
	for key, doc := range g.base {
		v, err := versionOf(doc)
		if err != nil {
			return nil, fmt.Errorf("restored document %s: %w", key, err)
		}
		restored := history.Op{Kind: "restored state", Process: -1, Begin: g.at.At, End: g.at.At, BeginOrder: g.at.Order, EndOrder: g.at.Order, Outcome: history.OK}
		at(key).base = link{version: v, op: restored, doc: doc}
	}
	for key, doc := range found {
		c := at(key)
		v, err := versionOf(doc)
		if err != nil || v.N < 1 {
			v = version{N: -1}
		}
		c.found = link{version: v, doc: doc}
	}
	return all, nil
}

func (c *cell) add(o history.Op) error {
	if !o.Write() {
		return c.addRead(o)
	}
	var w written
	if err := json.Unmarshal(o.Value, &w); err != nil {
		return err
	}
	v, err := versionOf(w.Doc)
	c.links = append(c.links, link{v, o, w.Before, w.Doc})
	return err
}

func (c *cell) addRead(o history.Op) error {
	if o.Outcome != history.OK {
		return nil
	}
	l := link{op: o, doc: o.Result}
	if len(o.Result) > 0 && string(o.Result) != "null" {
		var err error
		if l.version, err = versionOf(o.Result); err != nil {
			return err
		}
	}
	c.reads = append(c.reads, l)
	return nil
}

// prove notes that a write made a version.
func (c *cell) prove(v version, how string) {
	if v.N < 1 || v.ID == "" {
		return
	}
	if c.proof[v.N] == nil {
		c.proof[v.N] = map[string]string{}
	}
	if c.proof[v.N][v.ID] == "" {
		c.proof[v.N][v.ID] = how
	}
}

// order finds out which writes made the versions, and returns them by number. What cannot be is a problem.
func (c *cell) order(j *judgement) []link {
	c.proof, c.byID = map[int]map[string]string{}, map[string]*link{}
	for i, l := range c.links {
		c.byID[l.ID] = &c.links[i]
		if l.op.Outcome == history.OK {
			c.prove(l.version, "it was acknowledged")
		}
	}
	if c.base.N > 0 {
		c.byID[c.base.ID] = &c.base
		c.prove(c.base.version, "it was restored")
	}
	for _, r := range c.reads {
		c.prove(r.version, fmt.Sprintf("process %d has read it", r.op.Process))
	}
	c.prove(c.found.version, "it is there")
	var holders []link
	for n := slices.Max(append(slices.Collect(maps.Keys(c.proof)), 0)); n > 0 && n >= c.base.N; n-- {
		if l, known := c.holder(j, n); known {
			holders = append(holders, l)
			if n > c.base.N && !(c.late(l.version) && c.byID[l.before] == nil) {
				c.prove(version{n - 1, l.before}, "a later version follows it")
			}
		}
	}
	slices.Reverse(holders)
	return holders
}

// late says whether a version is by a write from before the restore that was done after it. What it followed may be gone with the
// restore.
func (c *cell) late(v version) bool {
	l := c.byID[v.ID]
	return l != nil && l.op.BeginOrder < c.begun
}

// holder is the write that made a version.
func (c *cell) holder(j *judgement, n int) (link, bool) {
	ids := slices.Sorted(maps.Keys(c.proof[n]))
	if len(ids) == 0 {
		return link{}, false
	}
	if len(ids) > 1 {
		j.problem("lost update: version %d of %s was made by %s (%s) and by %s (%s)", n, c.key, ids[0], c.proof[n][ids[0]], ids[1], c.proof[n][ids[1]])
	}
	l, begun := c.byID[ids[0]]
	switch {
	case !begun || l.N != n:
		j.problem("version %d of %s is by %q, which has written no such thing (%s)", n, c.key, ids[0], c.proof[n][ids[0]])
		return link{}, false
	case l.op.Outcome == history.Fail:
		j.problem("%s was refused, and was done nevertheless (%s)", l.text(c.key), c.proof[n][ids[0]])
	}
	return *l, true
}

// content compares what was found and read with what was written.
func (c *cell) content(j *judgement) {
	if c.found.N < 0 {
		j.problem("%s: no client wrote %s", c.key, c.found.doc)
		c.found.N = 0
	}
	for _, seen := range c.seen() {
		if l := c.byID[seen.ID]; l != nil && l.N == seen.N && !sameJSON(seen.doc, l.doc) {
			j.problem("%s: %s %s, but %s was written", l.text(c.key), seen.doc, seen.where(), l.doc)
		}
	}
}

// seen are the documents that were read, and the one that is there.
func (c *cell) seen() []link {
	return slices.DeleteFunc(append(slices.Clone(c.reads), c.found), func(l link) bool { return l.N <= 0 })
}

// where says who has seen a document.
func (l link) where() string {
	if l.op.Kind == "" {
		return "is there"
	}
	return fmt.Sprintf("was read by process %d", l.op.Process)
}
