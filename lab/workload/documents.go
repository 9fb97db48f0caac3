package workload

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"stasis/client"
	"stasis/lab/history"
)

// documents: clients do to documents all that can be done to one document, and an answer that a document is there, or is not, or has
// another revision, counts like what is read.
type documents struct{}

func (documents) knows() Spec { return common(Spec{Keys: 8, Skew: knowsSkew}) }

func (documents) open(context.Context, *session) error { return nil }

// verbs are what clients do, as often as they stand here.
var verbs = []string{history.Read, history.Read, history.Read, blindly, blindly, fresh, over, swap, swap, gone}

func (documents) live(ctx context.Context, s *session) error {
	pick, seen := s.picker(s.spec.Keys), map[string]document{}
	for s.rest(ctx); ctx.Err() == nil; s.rest(ctx) {
		key, kind := fmt.Sprintf("document-%d", pick()), verbs[s.random.IntN(len(verbs))]
		if kind == swap && seen[key].rev == "" {
			kind = history.Read
		}
		if kind != history.Read {
			if err := s.ask(ctx, kind, key, seen[key]); err != nil {
				return err
			}
			continue
		}
		d, done, err := s.read(ctx, key)
		if err != nil {
			return err
		}
		if done {
			seen[key] = d
		}
	}
	return nil
}

// ask changes a document, or learns why that cannot be.
func (s *session) ask(ctx context.Context, kind, key string, seen document) error {
	var doc json.RawMessage
	var err error
	if kind != gone {
		if doc, err = json.Marshal(map[string]any{"_key": key, "id": s.id()}); err != nil {
			return err
		}
	}
	asked := written{Doc: doc}
	if kind == swap {
		asked.Before = seen.ID
	}
	value, err := json.Marshal(asked)
	if err != nil {
		return err
	}
	_, err = s.do(ctx, history.Op{Kind: kind, Key: key, Value: value}, func(ctx context.Context) (any, error) {
		return answerOf(s.send(ctx, kind, client.Ref{Collection: s.collection, Key: key, Rev: seen.rev}, doc))
	})
	return err
}

// send sends a change. at has the revision that swap replaces.
func (s *session) send(ctx context.Context, kind string, at client.Ref, doc json.RawMessage) (err error) {
	if kind != swap {
		at.Rev = ""
	}
	switch kind {
	case blindly:
		return s.db().Put(ctx, s.collection, doc)
	case fresh:
		_, err = s.db().Insert(ctx, s.collection, doc)
	case gone:
		return s.db().Remove(ctx, at)
	default:
		_, err = s.db().Replace(ctx, at, doc)
	}
	return err
}

// answerOf takes what a document answers out of the errors.
func answerOf(err error) (answer any, _ error) {
	var e *client.Error
	switch {
	case answeredWith(err, documentMissing):
		return absent, nil
	case answeredWith(err, keyTaken):
		return exists, nil
	case errors.As(err, &e) && e.Status == http.StatusPreconditionFailed:
		return differs, nil
	}
	return nil, err
}

func (documents) read(ctx context.Context, c *client.Client, collection string) (State, error) {
	return Read(ctx, c.Database(""), collection)
}

func (documents) judge(g generation, found State, cut Cut) (Findings, error) {
	return judgeRegisters(g, found, cut, mostSteps)
}

// translate gives nothing: in elle-cli's models what was written once stays or is written over, and is not removed.
func (documents) translate() (string, history.Translate) { return "", nil }
