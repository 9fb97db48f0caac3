package workload

import (
	"context"
	"encoding/json"
	"fmt"

	"stasis/client"
	"stasis/lab/history"
)

// register: clients read and write registers, whatever is in them, and replace what they have read.
type register struct{}

func (register) knows() Spec { return common(Spec{Keys: 8, Skew: knowsSkew}) }

func (register) open(context.Context, *session) error { return nil }

func (register) live(ctx context.Context, s *session) error {
	pick := s.picker(s.spec.Keys)
	for s.rest(ctx); ctx.Err() == nil; s.rest(ctx) {
		key, kind := fmt.Sprintf("register-%d", pick()), s.random.IntN(3)
		if kind == 0 {
			if _, err := s.write(ctx, blindly, key, document{}); err != nil {
				return err
			}
			continue
		}
		seen, done, err := s.read(ctx, key)
		if err == nil && done && kind == 1 && seen.rev != "" {
			_, err = s.write(ctx, swap, key, seen)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// write gives a register a value that it never had.
func (s *session) write(ctx context.Context, kind, key string, seen document) (bool, error) {
	raw, err := json.Marshal(map[string]any{"_key": key, "id": s.id()})
	if err != nil {
		return false, err
	}
	doc := json.RawMessage(raw)
	asked, err := json.Marshal(written{Before: seen.ID, Doc: doc})
	if err != nil {
		return false, err
	}
	return s.do(ctx, history.Op{Kind: kind, Key: key, Value: asked}, func(ctx context.Context) (any, error) {
		if kind == blindly {
			return nil, s.db().Put(ctx, s.collection, doc)
		}
		_, err := s.db().Replace(ctx, client.Ref{Collection: s.collection, Key: key, Rev: seen.rev}, doc)
		return nil, err
	})
}

func (register) read(ctx context.Context, c *client.Client, collection string) (State, error) {
	return Read(ctx, c.Database(""), collection)
}

func (register) judge(g generation, found State, cut Cut) (Findings, error) {
	return judgeRegisters(g, found, cut, mostSteps)
}

// translate gives operations in elle-cli's model rw-register: one that replaces what was read reads it, too.
func (register) translate() (string, history.Translate) {
	model, plain := registerModel()
	return model, func(o history.Op) (string, any, any, bool) {
		f, asked, answered, use := plain(o)
		var w written
		if o.Kind != swap || !use {
			return f, asked, answered, use
		}
		if err := json.Unmarshal(o.Value, &w); err != nil {
			return "", nil, nil, false
		}
		read := func(value any) any { return append(micro("r", o.Key, value), asked.([]any)...) }
		return f, read(nil), read(w.Before), true
	}
}
