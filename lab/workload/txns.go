package workload

import (
	"fmt"
	"strings"

	"stasis/lab/history"
)

// txns are the transactions that a state can show, and its documents.
type txns struct {
	all   []txnOp
	cells map[string]*cell
}

// txnOp is a transaction with what became of it.
type txnOp struct {
	txn
	op history.Op
}

func (t txnOp) text() string { return fmt.Sprintf("%s %s", t.op.Kind, t.ID) }

// judgeTxns judges a state that transactions have made: each document by its versions, and each transaction, which is in it whole or not
// at all, and which all see from one moment on.
func judgeTxns(g generation, found State, cut Cut) (*txns, *judgement, error) {
	all := &txns{}
	single := g
	single.ops = nil
	for _, o := range g.ops {
		t, err := txnOf(o)
		if err != nil {
			return nil, nil, err
		}
		all.all = append(all.all, txnOp{t, o})
		parts, err := t.split(o)
		if err != nil {
			return nil, nil, err
		}
		single.ops = append(single.ops, parts...)
	}
	var err error
	if all.cells, err = cells(single, found); err != nil {
		return nil, nil, err
	}
	j := newJudgement(cut)
	lines := map[string]timeline{}
	for _, key := range sortedKeys(all.cells) {
		lines[key] = all.cells[key].ordered(j)
	}
	all.together(lines)
	for _, key := range sortedKeys(all.cells) {
		j.cell(all.cells[key], lines[key], g.whole)
	}
	for _, t := range all.all {
		all.whole(t, j)
	}
	return all, j, nil
}

// together lets each transaction come to be at one moment: what is known of it by one of its documents holds of all of them.
func (x *txns) together(lines map[string]timeline) {
	type place struct {
		line timeline
		at   int
	}
	of := map[string][]place{} // by the transaction's id
	for _, line := range lines {
		for i, l := range line.holders {
			if l.op.Process >= 0 { // it was not restored
				of[l.ID] = append(of[l.ID], place{line, i})
			}
		}
	}
	for changed := true; changed; { // bounds get closer each time
		changed = false
		for _, places := range of {
			var s span
			for _, p := range places {
				s.within(p.line.spans[p.at])
			}
			for _, p := range places {
				if p.line.spans[p.at] != s {
					p.line.spans[p.at], changed = s, true
				}
			}
		}
		for _, line := range lines {
			line.inOrder()
		}
	}
}

// whole finds a transaction of which the state has a part.
func (x *txns) whole(t txnOp, j *judgement) {
	var there, lacking []string
	for _, w := range t.writes() {
		c := x.cells[w.Key]
		v, err := versionOf(w.Doc)
		switch {
		case err != nil || c == nil: // the cells are made of the same
		case v.N < c.base.N: // it is not known who wrote what is below what was restored
		case c.has(link{version: v}):
			there = append(there, w.Key)
		default:
			lacking = append(lacking, w.Key)
		}
	}
	if len(there) > 0 && len(lacking) > 0 {
		j.problem("a part of a transaction: of %s of process %d, %s is there, and %s is not", t.text(), t.op.Process, strings.Join(there, ", "), strings.Join(lacking, ", "))
	}
}
