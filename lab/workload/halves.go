package workload

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"stasis/client"
	"stasis/lab/history"
)

// halves: clients write documents that have two halves, which say the same. What is promised is that one document is
// written whole or not at all. Of two documents nothing is promised: there are no transactions.
type halves struct{}

// halved is a document with two halves.
type halved struct {
	version
	Left  string `json:"left"`
	Right string `json:"right"`
}

// halfLength is how often a half repeats its mark, so that it does not lie in one word.
const halfLength = 16

func (halves) knows() Spec { return common(Spec{Keys: 8, Skew: knowsSkew}) }

func (halves) open(context.Context, *session) error { return nil }

func (halves) live(ctx context.Context, s *session) error {
	pick := s.picker(s.spec.Keys)
	for s.rest(ctx); ctx.Err() == nil; s.rest(ctx) {
		half := strings.Repeat(fmt.Sprintf("%d ", s.mark()), halfLength)
		_, err := s.change(ctx, "write", fmt.Sprintf("pair-%d", pick()), func(document) (map[string]any, bool, error) {
			return map[string]any{"left": half, "right": half}, true, nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func (halves) read(ctx context.Context, c *client.Client, collection string) (State, error) {
	return Read(ctx, c.Database(""), collection)
}

func (halves) judge(g generation, found State, cut Cut) (Findings, error) {
	all, j, err := judgeCells(g, found, cut)
	if err != nil {
		return Findings{}, err
	}
	for _, key := range sortedKeys(all) {
		for _, seen := range all[key].seen() {
			if err := whole(key, seen, j); err != nil {
				return Findings{}, err
			}
		}
	}
	return j.done(), nil
}

// whole compares the halves of a document that was read or is there. It needs no history.
func whole(key string, seen link, j *judgement) error {
	var d halved
	if err := json.Unmarshal(seen.doc, &d); err != nil {
		return fmt.Errorf("document %s: %w", key, err)
	}
	if d.Left != d.Right {
		j.problem("half: of %s of %s the left half is there and the right is not, or the other way round (%s)", d.ID, key, seen.where())
	}
	return nil
}

func (halves) translate() (string, history.Translate) { return registerModel() }
