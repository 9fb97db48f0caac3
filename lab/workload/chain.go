package workload

import (
	"context"
	"encoding/json"
	"fmt"

	"stasis/client"
	"stasis/lab/history"
)

// chain: each client writes one numbered document after the other. Clients with an even number insert new ones, so
// that their chain runs across all shards; the others write one and the same, so that theirs stays on one.
type chain struct{}

// chained is the document of a chain.
type chained struct {
	version
	Process int `json:"process"`
	Number  int `json:"number"` // in the chain of the process, from 1
}

func (chain) knows() Spec { return common(Spec{}) }

func (chain) open(context.Context, *session) error { return nil }

func (chain) live(ctx context.Context, s *session) error {
	var own document
	n := 1
	for s.rest(ctx); ctx.Err() == nil; s.rest(ctx) {
		fields := map[string]any{"process": s.process, "number": n}
		kind, key, seen := "update", fmt.Sprintf("%d", s.process), own
		if s.client%2 == 0 {
			kind, key, seen = "insert", fmt.Sprintf("%d-%d", s.process, n), document{}
		}
		wrote, err := s.put(ctx, kind, key, seen, fields)
		if err != nil {
			return err
		}
		if wrote.N > seen.N {
			own = wrote
			n++
		}
	}
	return nil
}

func (chain) read(ctx context.Context, c *client.Client, collection string) (State, error) {
	return Read(ctx, c.Database(""), collection)
}

func (chain) judge(g generation, found State, cut Cut) (Findings, error) {
	all, j, err := judgeCells(g, found, cut)
	if err != nil {
		return Findings{}, err
	}
	if err := holes(all, found, j); err != nil {
		return Findings{}, err
	}
	return j.done(), nil
}

// holes finds inserts that lack one before them. Of an insert from before a restore, which was done after it, those before it are
// gone with the restore: it has no chain.
func holes(all map[string]*cell, found State, j *judgement) error {
	last, count := map[int]int{}, map[int]int{}
	for key, doc := range found {
		if c := all[key]; c.late(c.found.version) {
			continue
		}
		var d chained
		if err := json.Unmarshal(doc, &d); err != nil {
			return err
		}
		if key != fmt.Sprintf("%d-%d", d.Process, d.Number) {
			continue // updated
		}
		last[d.Process] = max(last[d.Process], d.Number)
		count[d.Process]++
	}
	for process, n := range last {
		if count[process] < n {
			j.problem("a hole in the chain of process %d: %d of %d inserts are there", process, count[process], n)
		}
	}
	return nil
}

func (chain) translate() (string, history.Translate) { return registerModel() }
