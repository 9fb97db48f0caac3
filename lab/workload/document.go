package workload

import (
	"context"
	"encoding/json"
	"fmt"

	"stasis/client"
	"stasis/lab/history"
)

// document is one that a client read, or wrote itself.
type document struct {
	version
	rev string
	raw json.RawMessage // without _id and _rev
}

// read reads a document; the zero document if there is none.
func (s *session) read(ctx context.Context, key string) (d document, done bool, err error) {
	done, err = s.do(ctx, history.Op{Kind: history.Read, Key: key}, func(ctx context.Context) (any, error) {
		d, err = fetch(ctx, s.db(), s.collection, key)
		return d.raw, err
	})
	return d, done, err
}

func fetch(ctx context.Context, db *client.Database, collection, key string) (d document, err error) {
	var raw json.RawMessage
	if err = db.Read(ctx, client.Ref{Collection: collection, Key: key}, &raw); answeredWith(err, documentMissing) {
		return document{}, nil
	} else if err != nil {
		return document{}, err
	}
	var meta client.Meta
	if err = json.Unmarshal(raw, &meta); err != nil {
		return d, fmt.Errorf("document %s: %w", key, err)
	}
	d.rev = meta.Rev
	if _, d.raw, err = strip(raw); err != nil {
		return d, err
	}
	d.version, err = versionOf(d.raw)
	return d, err
}

// next makes the version that follows seen.
func (s *session) next(key string, seen document, fields map[string]any) (d document, asked json.RawMessage, err error) {
	d.version = version{seen.N + 1, s.id()}
	whole := map[string]any{"_key": key, "n": d.N, "id": d.ID}
	for name, value := range fields {
		whole[name] = value
	}
	if d.raw, err = json.Marshal(whole); err != nil {
		return d, nil, err
	}
	asked, err = json.Marshal(written{seen.ID, d.raw})
	return d, asked, err
}

// replace writes the version that follows the one that was seen, if that is still there.
func (s *session) replace(ctx context.Context, kind, key string, seen document, fields map[string]any) (done bool, err error) {
	d, asked, err := s.next(key, seen, fields)
	if err != nil {
		return false, err
	}
	return s.do(ctx, history.Op{Kind: kind, Key: key, Value: asked}, func(ctx context.Context) (any, error) {
		if seen.N == 0 {
			_, err := s.db().Insert(ctx, s.collection, d.raw)
			return nil, err
		}
		_, err := s.db().Replace(ctx, client.Ref{Collection: s.collection, Key: key, Rev: seen.rev}, d.raw)
		return nil, err
	})
}

// put writes the next version of a document that this life alone writes, until it is acknowledged or ctx ends.
func (s *session) put(ctx context.Context, kind, key string, seen document, fields map[string]any) (document, error) {
	for {
		d, asked, err := s.next(key, seen, fields)
		if err != nil {
			return d, err
		}
		done, err := s.do(ctx, history.Op{Kind: kind, Key: key, Value: asked}, func(ctx context.Context) (any, error) {
			return nil, s.db().Put(ctx, s.collection, d.raw)
		})
		if done || err != nil {
			return d, err
		}
		if ctx.Err() != nil {
			return seen, nil
		}
	}
}

// change reads a document and writes what follows, until it is acknowledged or ctx ends. fields gives what is written; a
// false says that nothing is to be written.
func (s *session) change(ctx context.Context, kind, key string, fields func(document) (map[string]any, bool, error)) (done bool, err error) {
	for ctx.Err() == nil {
		seen, read, err := s.read(ctx, key)
		if err != nil {
			return false, err
		}
		if !read {
			continue
		}
		what, wanted, err := fields(seen)
		if err != nil || !wanted {
			return false, err
		}
		if done, err := s.replace(ctx, kind, key, seen, what); done || err != nil {
			return done, err
		}
	}
	return false, nil
}
