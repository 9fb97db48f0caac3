package workload

import (
	"context"
	"encoding/json"
	"fmt"

	"stasis/client"
	"stasis/lab/history"
)

// appends: transactions of one to five operations read lists of two collections and append to them. When a list is long, another one
// follows it.
type appends struct {
	lists // knows which lists are full
}

func (*appends) members() int { return 2 }

func (*appends) knows() Spec {
	s := common(Spec{Keys: 8, Skew: knowsSkew})
	s.Shards = fewShards
	return s
}

func (*appends) open(ctx context.Context, s *session) error { return s.openMembers(ctx) }

// mostOps is how many operations a transaction has at most.
const mostOps = 5

func (a *appends) live(ctx context.Context, s *session) error {
	pick := s.picker(s.spec.Keys)
	for s.rest(ctx); ctx.Err() == nil; s.rest(ctx) {
		var plan []step
		kind := history.Read
		for range 1 + s.random.IntN(mostOps) {
			i := pick()
			p := step{Do: reading, Key: at(i%a.members()+1, fmt.Sprintf("row-%d-%d", i, a.round(i)))}
			if s.random.IntN(2) == 0 {
				p.Do, p.Element, kind = writing, s.mark(), "append"
			}
			plan = append(plan, p)
		}
		if _, err := s.transact(ctx, kind, plan, func(ctx context.Context, t *transaction) error { return a.perform(ctx, t, plan) }); err != nil {
			return err
		}
	}
	return nil
}

// perform takes the steps. An append reads the list, and that is written down as what it has seen.
func (a *appends) perform(ctx context.Context, t *transaction, plan []step) error {
	for _, p := range plan {
		seen, err := t.read(ctx, p.Key)
		if err != nil {
			return err
		}
		var d listed
		if seen.N > 0 {
			if err := json.Unmarshal(seen.raw, &d); err != nil {
				return err
			}
		}
		if len(d.List) >= longest {
			a.noteFull(p.Key)
		}
		if p.Do == writing {
			if err := t.write(ctx, p.Key, seen, p.Element, map[string]any{"list": append(d.List, p.Element)}); err != nil {
				return err
			}
		}
	}
	return nil
}

// noteFull lets clients append to the next list of a key.
func (a *appends) noteFull(key string) {
	var member, i, round int
	if _, err := fmt.Sscanf(key, "%d/row-%d-%d", &member, &i, &round); err == nil {
		a.filled(i, round)
	}
}

func (a *appends) read(ctx context.Context, c *client.Client, collection string) (State, error) {
	return readMembers(ctx, c, collection, a.members())
}

func (*appends) judge(g generation, found State, cut Cut) (Findings, error) {
	all, j, err := judgeTxns(g, found, cut)
	if err != nil {
		return Findings{}, err
	}
	if err := all.anomalies(g, found, j); err != nil {
		return Findings{}, err
	}
	return j.done(), nil
}

// translate gives transactions of elle-cli's model list-append. The read that comes before each append is one of them, too.
func (*appends) translate() (string, history.Translate) {
	return "list-append", func(o history.Op) (string, any, any, bool) {
		return translated(o, func(s step) any {
			list, _ := listOfDoc(s.Doc) // what is no list has been found to be wrong by the judgement
			seen := make([]any, len(list))
			for i, e := range list {
				seen[i] = e
			}
			return seen
		}, func(s step, _ string) []any { return micro("append", s.Key, s.Element) })
	}
}
