package workload

import (
	"encoding/json"
	"fmt"

	"stasis/lab/history"
)

// txn is what a history has of a transaction: what is asked for, and when its commit is about to be sent, what it has seen and written.
// A key is that of a document in one of several collections: see at.
type txn struct {
	ID    string         `json:"id"`
	Steps []step         `json:"steps"`
	Sent  history.Moment `json:"sent"` // when its commit was about to be sent; an order of 0: it was not sent
}

// step is an operation of a transaction.
type step struct {
	Do      string          `json:"do"`
	Key     string          `json:"key"`
	Element int             `json:"element,omitempty"` // that is appended
	Doc     json.RawMessage `json:"doc,omitempty"`     // that was read or is written
	Before  string          `json:"before,omitempty"`  // the version that a write follows
	From    history.Moment  `json:"from"`              // of a read: when it was asked for, and when it was answered
	To      history.Moment  `json:"to"`
}

// What a step does.
const (
	reading = "read"
	writing = "write"
)

// at is the key of a document in one of the collections of a workload, which are numbered from 1.
func at(member int, key string) string { return fmt.Sprintf("%d/%s", member, key) }

func txnOf(o history.Op) (t txn, err error) {
	if err := json.Unmarshal(o.Value, &t); err != nil {
		return t, fmt.Errorf("operation %d of the history: %w", o.BeginOrder, err)
	}
	return t, nil
}

// outcome is that of an operation, as far as its transaction tells it: without a commit nothing is done.
func (t txn) outcome(o history.Op) history.Outcome {
	if t.Sent.Order == 0 && o.Outcome == history.Info {
		return history.Fail
	}
	return o.Outcome
}

// writes are the last writes to each document. Nothing is known of those that were planned and not made.
func (t txn) writes() (all []step) {
	last := map[string]int{}
	for i, s := range t.Steps {
		if s.Do == writing && len(s.Doc) > 0 {
			last[s.Key] = i
		}
	}
	for i, s := range t.Steps {
		if n, wrote := last[s.Key]; wrote && n == i {
			all = append(all, s)
		}
	}
	return all
}

// reads are those of what others have written.
func (t txn) reads() (all []step) {
	own := map[string]bool{}
	for _, s := range t.Steps {
		switch {
		case s.Do == writing:
			own[s.Key] = true
		case !own[s.Key] && s.To.Order > 0:
			all = append(all, s)
		}
	}
	return all
}

// split gives a transaction as operations on single documents: its writes begin when the commit is sent, and its reads when each is.
func (t txn) split(o history.Op) (all []history.Op, err error) {
	plain := o
	plain.Value, plain.Result, plain.Outcome = nil, nil, t.outcome(o)
	if plain.Outcome == history.OK {
		for _, r := range t.reads() {
			one := plain
			one.Kind, one.Key, one.Result = history.Read, r.Key, r.Doc
			one.Begin, one.BeginOrder, one.End, one.EndOrder = r.From.At, r.From.Order, r.To.At, r.To.Order
			all = append(all, one)
		}
	}
	for _, w := range t.writes() {
		one := plain
		one.Key = w.Key
		if one.Value, err = json.Marshal(written{w.Before, w.Doc}); err != nil {
			return nil, err
		}
		if t.Sent.Order > 0 {
			one.Begin, one.BeginOrder = t.Sent.At, t.Sent.Order
		}
		all = append(all, one)
	}
	return all, nil
}
