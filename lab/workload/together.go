package workload

import (
	"context"
	"encoding/json"
	"fmt"

	"stasis/client"
	"stasis/lab/history"
)

// together: each transaction writes one value into a document of each of four collections: all four have it, or none.
type together struct{}

func (together) members() int { return 4 }

func (together) knows() Spec {
	s := common(Spec{Keys: 8, Skew: knowsSkew})
	s.Shards = fewShards
	return s
}

// valued is one of the documents.
type valued struct {
	version
	Value int `json:"value"`
}

// keys are the documents of a number. Each has a key of its own, so that they are on shards of different servers.
func (x together) keys(i int) (all []string) {
	for member := range x.members() {
		all = append(all, at(member+1, fmt.Sprintf("quarter-%d-%d", i, member+1)))
	}
	return all
}

func (together) open(ctx context.Context, s *session) error { return s.openMembers(ctx) }

func (x together) live(ctx context.Context, s *session) error {
	pick := s.picker(s.spec.Keys)
	for s.rest(ctx); ctx.Err() == nil; s.rest(ctx) {
		keys, err := x.keys(pick()), error(nil)
		if s.random.IntN(looks) == 0 {
			err = s.look(ctx, keys...)
		} else {
			err = s.writeAll(ctx, keys, s.mark())
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// writeAll writes one value to several documents.
func (s *session) writeAll(ctx context.Context, keys []string, value int) error {
	var plan []step
	for _, key := range keys {
		plan = append(plan, step{Do: reading, Key: key}, step{Do: writing, Key: key})
	}
	_, err := s.transact(ctx, "write", plan, func(ctx context.Context, t *transaction) error {
		for _, key := range keys {
			err := t.change(ctx, key, 0, func(document) (map[string]any, error) { return map[string]any{"value": value}, nil })
			if err != nil {
				return err
			}
		}
		return nil
	})
	return err
}

func (x together) read(ctx context.Context, c *client.Client, collection string) (State, error) {
	return readMembers(ctx, c, collection, x.members())
}

func (x together) judge(g generation, found State, cut Cut) (Findings, error) {
	_, j, err := judgeTxns(g, found, cut)
	if err != nil {
		return Findings{}, err
	}
	for i := range g.spec.Keys {
		if err := x.equal(i, found, j); err != nil {
			return Findings{}, err
		}
	}
	return j.done(), nil
}

// equal compares the four documents of a key. It needs no history.
func (x together) equal(i int, found State, j *judgement) error {
	values, same := []string{}, true
	for _, key := range x.keys(i) {
		is := "none"
		if doc, there := found[key]; there {
			var d valued
			if err := json.Unmarshal(doc, &d); err != nil {
				return fmt.Errorf("document %s: %w", key, err)
			}
			is = fmt.Sprint(d.Value)
		}
		values = append(values, is)
		same = same && is == values[0]
	}
	if !same {
		j.problem("not all or nothing: number %d has %v in the %d collections", i, values, x.members())
	}
	return nil
}

func (together) translate() (string, history.Translate) { return txnModel() }
