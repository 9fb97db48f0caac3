package workload

import (
	"context"
	"encoding/json"
	"fmt"

	"stasis/client"
	"stasis/lab/history"
)

// counter: clients add to counters.
type counter struct{}

// counted is the document of a counter. Amount is what the last write added.
type counted struct {
	version
	Count  int `json:"count"`
	Amount int `json:"amount"`
}

const mostAdded = 9

func (counter) knows() Spec { return common(Spec{Keys: 8, Skew: knowsSkew}) }

func (counter) open(context.Context, *session) error { return nil }

func (counter) live(ctx context.Context, s *session) error {
	pick := s.picker(s.spec.Keys)
	for s.rest(ctx); ctx.Err() == nil; s.rest(ctx) {
		amount := 1 + s.random.IntN(mostAdded)
		_, err := s.change(ctx, "add", fmt.Sprintf("counter-%d", pick()), func(seen document) (map[string]any, bool, error) {
			var c counted
			if seen.N > 0 {
				if err := json.Unmarshal(seen.raw, &c); err != nil {
					return nil, false, err
				}
			}
			return map[string]any{"count": c.Count + amount, "amount": amount}, true, nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func (counter) read(ctx context.Context, c *client.Client, collection string) (State, error) {
	return Read(ctx, c.Database(""), collection)
}

func (counter) judge(g generation, found State, cut Cut) (Findings, error) {
	all, j, err := judgeCells(g, found, cut)
	if err != nil {
		return Findings{}, err
	}
	for _, key := range sortedKeys(all) {
		if err := bounded(all[key], cut, j); err != nil {
			return Findings{}, err
		}
	}
	return j.done(), nil
}

// bounded compares a count with what was added: at least what was acknowledged before the instant could be, at most
// what had begun before it had to be. It does not look at versions.
func bounded(c *cell, cut Cut, j *judgement) error {
	var there, began counted
	for doc, into := range map[*link]*counted{&c.found: &there, &c.base: &began} {
		if doc.N == 0 {
			continue
		}
		if err := json.Unmarshal(doc.doc, into); err != nil {
			return fmt.Errorf("document %s: %w", c.key, err)
		}
	}
	least, most := began.Count, began.Count
	for _, l := range c.links {
		var added counted
		if err := json.Unmarshal(l.doc, &added); err != nil {
			return fmt.Errorf("document %s: %w", c.key, err)
		}
		if l.op.Outcome == history.OK && l.op.EndOrder <= cut.Asked.Order {
			least += added.Amount
		}
		if l.op.Outcome != history.Fail && (cut.Returned.Order == 0 || l.op.BeginOrder < cut.Returned.Order) {
			most += added.Amount
		}
	}
	if there.Count < least || there.Count > most {
		j.problem("the count of %s is %d: want from %d, which were acknowledged before the instant could be, to %d, which had begun before it had to be", c.key, there.Count, least, most)
	}
	return nil
}

func (counter) translate() (string, history.Translate) { return registerModel() }
