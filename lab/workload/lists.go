package workload

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"sync"

	"stasis/client"
	"stasis/lab/history"
)

// lists: clients append to lists. Each list is one document; when it is long, another one follows it.
type lists struct {
	mu   sync.Mutex  // is held for no wait
	full map[int]int // of each key: how many lists are full, as far as clients have seen
}

// round is the number of the list of a key to which clients append.
func (l *lists) round(key int) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.full[key]
}

// filled notes that a list is full.
func (l *lists) filled(key, round int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.full == nil {
		l.full = map[int]int{}
	}
	l.full[key] = max(l.full[key], round+1)
}

// listed is the document of a list.
type listed struct {
	version
	List []int `json:"list"`
}

// longest is how long a list becomes.
const longest = 32

func (*lists) knows() Spec { return common(Spec{Keys: 8, Skew: knowsSkew}) }

func (*lists) open(context.Context, *session) error { return nil }

func (l *lists) live(ctx context.Context, s *session) error {
	pick := s.picker(s.spec.Keys)
	for s.rest(ctx); ctx.Err() == nil; s.rest(ctx) {
		i := pick()
		round := l.round(i)
		_, err := s.change(ctx, "append", fmt.Sprintf("list-%d-%d", i, round), func(seen document) (map[string]any, bool, error) {
			var d listed
			if seen.N > 0 {
				if err := json.Unmarshal(seen.raw, &d); err != nil {
					return nil, false, err
				}
			}
			if len(d.List) >= longest {
				l.filled(i, round)
				return nil, false, nil
			}
			return map[string]any{"list": append(d.List, s.mark())}, true, nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func (*lists) read(ctx context.Context, c *client.Client, collection string) (State, error) {
	return Read(ctx, c.Database(""), collection)
}

func (*lists) judge(g generation, found State, cut Cut) (Findings, error) {
	all, j, err := judgeCells(g, found, cut)
	if err != nil {
		return Findings{}, err
	}
	for _, key := range sortedKeys(all) {
		if err := elements(all[key], j); err != nil {
			return Findings{}, err
		}
	}
	return j.done(), nil
}

// elements finds what Elle finds in lists, by the lists alone: elements that are there twice, that were refused, that
// no client appended, and lists that have their elements in different orders.
func elements(c *cell, j *judgement) error {
	outcomes := map[int]history.Outcome{}
	for _, l := range append(slices.Clone(c.links), c.base) {
		if l.N == 0 {
			continue
		}
		list, err := listOf(l)
		if err != nil {
			return fmt.Errorf("document %s: %w", c.key, err)
		}
		for i, e := range list {
			if i == len(list)-1 || l.N == c.base.N && l.ID == c.base.ID {
				outcomes[e] = l.op.Outcome
			}
		}
	}
	var order []int // the longest list that was seen
	for _, seen := range c.seen() {
		list, err := listOf(seen)
		if err != nil {
			return fmt.Errorf("document %s: %w", c.key, err)
		}
		there := map[int]bool{}
		for _, e := range list {
			switch outcome, appended := outcomes[e]; {
			case there[e]:
				j.problem("%d is twice in %s (%s)", e, c.key, seen.where())
			case !appended:
				j.problem("%d is in %s, and no client appended it (%s)", e, c.key, seen.where())
			case outcome == history.Fail:
				j.problem("%d is in %s, and was refused (%s)", e, c.key, seen.where())
			}
			there[e] = true
		}
		short, long := list, order
		if len(short) > len(long) {
			short, long = long, short
		}
		if !slices.Equal(short, long[:len(short)]) {
			j.problem("no order of appends explains %s: %v, and %v (%s)", c.key, order, list, seen.where())
		}
		order = long
	}
	return nil
}

func listOf(l link) ([]int, error) {
	var d listed
	err := json.Unmarshal(l.doc, &d)
	return d.List, err
}

// translate gives operations as transactions of elle-cli's model list-append.
func (*lists) translate() (string, history.Translate) {
	return "list-append", func(o history.Op) (string, any, any, bool) {
		if !o.Write() {
			var d listed
			if len(o.Result) > 0 {
				if err := json.Unmarshal(o.Result, &d); err != nil {
					return "", nil, nil, false
				}
			}
			seen := make([]any, len(d.List))
			for i, e := range d.List {
				seen[i] = e
			}
			return "txn", micro("r", o.Key, nil), micro("r", o.Key, seen), true
		}
		var w written
		var d listed
		if json.Unmarshal(o.Value, &w) != nil || json.Unmarshal(w.Doc, &d) != nil || len(d.List) == 0 {
			return "", nil, nil, false
		}
		appended := micro("append", o.Key, d.List[len(d.List)-1])
		return "txn", appended, appended, true
	}
}
