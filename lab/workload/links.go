package workload

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"stasis/client"
	"stasis/lab/history"
)

// links: each transaction reads the head of a chain, inserts the next link into one of three collections, and lets the head point
// to it: a chain has as many links as its head says.
type links struct{}

func (links) members() int { return 4 }

func (links) knows() Spec {
	s := common(Spec{Keys: 6, Skew: knowsSkew})
	s.Shards = fewShards
	return s
}

// linked is a head or a link. A head says which link is the last.
type linked struct {
	version
	Number   int `json:"number"`   // from 1
	Mark     int `json:"mark"`     // of the link
	Previous int `json:"previous"` // the mark of the link before; 0: it is the first
}

func headKey(i int) string { return at(1, fmt.Sprintf("head-%d", i)) }

// linkKey is the key of a link: in turn in the collections after the first.
func (x links) linkKey(i, number int) string {
	return at(2+number%(x.members()-1), fmt.Sprintf("link-%d-%d", i, number))
}

func (links) open(ctx context.Context, s *session) error { return s.openMembers(ctx) }

func (x links) live(ctx context.Context, s *session) error {
	pick := s.picker(s.spec.Keys)
	for s.rest(ctx); ctx.Err() == nil; s.rest(ctx) {
		if err := x.extend(ctx, s, pick(), s.mark()); err != nil {
			return err
		}
	}
	return nil
}

// extend makes a chain one link longer. Where the link is depends on what the head says.
func (x links) extend(ctx context.Context, s *session, i, mark int) error {
	plan := []step{{Do: reading, Key: headKey(i)}, {Do: writing, Key: headKey(i)}}
	_, err := s.transact(ctx, "link", plan, func(ctx context.Context, t *transaction) error {
		seen, err := t.read(ctx, headKey(i))
		if err != nil {
			return err
		}
		var head linked
		if seen.N > 0 {
			if err := json.Unmarshal(seen.raw, &head); err != nil {
				return err
			}
		}
		next := map[string]any{"number": head.Number + 1, "mark": mark, "previous": head.Mark}
		if err := t.write(ctx, x.linkKey(i, head.Number+1), document{}, 0, next); err != nil {
			return err
		}
		return t.write(ctx, headKey(i), seen, 0, next)
	})
	return err
}

func (x links) read(ctx context.Context, c *client.Client, collection string) (State, error) {
	return readMembers(ctx, c, collection, x.members())
}

func (x links) judge(g generation, found State, cut Cut) (Findings, error) {
	_, j, err := judgeTxns(g, found, cut)
	if err != nil {
		return Findings{}, err
	}
	docs := map[string]linked{}
	for key, doc := range found {
		var d linked
		if err := json.Unmarshal(doc, &d); err != nil {
			return Findings{}, fmt.Errorf("document %s: %w", key, err)
		}
		docs[key] = d
	}
	for i := range g.spec.Keys {
		x.unbroken(i, docs, j)
	}
	return j.done(), nil
}

// unbroken follows a chain from its head. It needs no history.
func (x links) unbroken(i int, docs map[string]linked, j *judgement) {
	head := docs[headKey(i)]
	want := head.Mark
	for number := head.Number; number > 0; number-- {
		link, there := docs[x.linkKey(i, number)]
		switch {
		case !there:
			j.problem("a gap in chain %d: link %d of %d is not there", i, number, head.Number)
			return
		case link.Mark != want || link.Number != number:
			j.problem("chain %d is broken: link %d is %d, and the one after it, or the head, says that it is %d", i, number, link.Mark, want)
			return
		}
		want = link.Previous
	}
	count := 0
	for key := range docs {
		if _, name, _ := strings.Cut(key, "/"); strings.HasPrefix(name, fmt.Sprintf("link-%d-", i)) {
			count++
		}
	}
	if count != head.Number {
		j.problem("chain %d has %d links, and its head says %d", i, count, head.Number)
	}
}

func (links) translate() (string, history.Translate) { return txnModel() }
