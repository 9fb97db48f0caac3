package workload

import (
	"fmt"
	"slices"

	"stasis/lab/anomaly"
	"stasis/lab/history"
)

// anomalies looks for anomalies in what transactions saw of lists. The state is one more of them, which saw all lists at one instant.
// Those that the isolation level allows are noted, the others are problems.
func (x *txns) anomalies(g generation, found State, j *judgement) error {
	base, err := restoredTxn(g.base)
	if err != nil {
		return err
	}
	there := map[int]bool{}
	for _, o := range base.Ops {
		there[o.Element] = true
	}
	all := []anomaly.Txn{base}
	for _, t := range x.all {
		made, err := t.lists()
		if err != nil {
			return err
		}
		if slices.ContainsFunc(made.Ops, func(o anomaly.Op) bool { return o.Append && there[o.Element] }) {
			continue // it was done before the restore, and is in what was restored
		}
		all = append(all, made)
	}
	state := anomaly.Txn{Name: "the state", Snapshot: true}
	for _, key := range sortedKeys(x.cells) {
		list, err := listOfDoc(found[key])
		if err != nil {
			return fmt.Errorf("document %s: %w", key, err)
		}
		state.Ops = append(state.Ops, anomaly.Op{Key: key, Saw: list})
	}
	for _, f := range anomaly.Check(append(all, state)) {
		switch {
		case !f.Name.Allowed():
			j.problem("%s, %d times: %s", f.Name, f.Count, f.Text)
		case g.whole:
			j.Notes = append(j.Notes, fmt.Sprintf("%s, which the isolation level allows, at least %d times: %s", f.Name, f.Count, f.Text))
		}
	}
	return nil
}

// restoredTxn is a transaction that has appended all that a generation began with.
func restoredTxn(base State) (anomaly.Txn, error) {
	t := anomaly.Txn{Name: "what was restored"}
	for _, key := range sortedKeys(base) {
		list, err := listOfDoc(base[key])
		if err != nil {
			return t, fmt.Errorf("restored document %s: %w", key, err)
		}
		for i, e := range list {
			t.Ops = append(t.Ops, anomaly.Op{Key: key, Append: true, Element: e, Saw: list[:i]})
		}
	}
	return t, nil
}

// lists is a transaction as reads of lists and appends to them. Each append has the read before it, which has seen what it appends
// to. Of a transaction whose commit is not recorded the appends are those that it had planned.
func (t txnOp) lists() (made anomaly.Txn, err error) {
	made.Name = t.text()
	switch t.outcome(t.op) {
	case history.Info:
		made.Outcome = anomaly.Unknown
	case history.Fail:
		made.Outcome = anomaly.Aborted
	}
	saw := map[string][]int{}
	for _, s := range t.Steps {
		if s.Do == writing {
			made.Ops = append(made.Ops, anomaly.Op{Key: s.Key, Append: true, Element: s.Element, Saw: saw[s.Key]})
			continue
		}
		list, err := listOfDoc(s.Doc)
		if err != nil {
			return made, fmt.Errorf("%s: what it saw of %s: %w", t.text(), s.Key, err)
		}
		saw[s.Key] = list
		made.Ops = append(made.Ops, anomaly.Op{Key: s.Key, Saw: list})
	}
	return made, nil
}

// listOfDoc is the list of a document; nil if there is none.
func listOfDoc(doc []byte) ([]int, error) {
	if len(doc) == 0 || string(doc) == "null" {
		return nil, nil
	}
	return listOf(link{doc: doc})
}
