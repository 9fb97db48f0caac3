package workload

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"stasis/client"
	"stasis/lab/history"
)

// schema: clients create and drop collections. Stasis has no indexes but the primary one, so there are none to change.
type schema struct{}

func (schema) knows() Spec {
	s := common(Spec{Keys: 3})
	s.Clients, s.Shards, s.Pace = 2, 2, 10*defaultPace
	return s
}

func (schema) open(context.Context, *session) error { return nil }

// live keeps some collections of its own: it creates one, and drops the oldest when there are enough. What an
// earlier life had stays.
func (schema) live(ctx context.Context, s *session) error {
	var own []string
	for s.rest(ctx); ctx.Err() == nil; s.rest(ctx) {
		if len(own) < s.spec.Keys {
			name, done, err := s.createOne(ctx)
			if err != nil {
				return err
			}
			if done {
				own = append(own, name)
			}
			continue
		}
		done, err := s.do(ctx, history.Op{Kind: dropping, Key: own[0]}, func(ctx context.Context) (any, error) {
			return nil, s.db().DropCollection(ctx, own[0])
		})
		if err != nil {
			return err
		}
		if done {
			own = own[1:]
		}
	}
	return nil
}

// createOne creates a collection under a name that no other attempt has.
func (s *session) createOne(ctx context.Context) (name string, done bool, err error) {
	name = fmt.Sprintf("%s%d-%d", changing(s.collection), s.process, s.mark())
	done, err = s.do(ctx, history.Op{Kind: creating, Key: name}, func(ctx context.Context) (any, error) {
		return nil, createCollection(ctx, s.at(), name, s.spec)
	})
	return name, done, err
}

// changing is what the names begin with of the collections that come and go.
func changing(collection string) string { return collection + "_" }

// read lists the collections, and reads them: each has to serve.
func (schema) read(ctx context.Context, c *client.Client, collection string) (State, error) {
	db, state := c.Database(""), State{}
	all, err := db.Collections(ctx)
	if err != nil {
		return nil, err
	}
	for _, one := range all {
		if !strings.HasPrefix(one.Name, changing(collection)) {
			continue
		}
		docs, err := Read(ctx, db, one.Name)
		if err != nil {
			return nil, fmt.Errorf("collection %s is listed: %w", one.Name, err)
		}
		if state[one.Name], err = json.Marshal(map[string]any{"documents": len(docs)}); err != nil {
			return nil, err
		}
	}
	return state, nil
}

func (schema) judge(g generation, found State, cut Cut) (Findings, error) {
	return judgeSchema(g, found, cut), nil
}

func (schema) translate() (string, history.Translate) { return "", nil }
