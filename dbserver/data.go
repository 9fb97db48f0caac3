package dbserver

import (
	"errors"
	"fmt"
	"sync"

	"stasis/dbserver/engine"
	"stasis/dbserver/shard"
	"stasis/internal/apierror"
)

// data is an open engine and the shards in it. Requests reach it through access.
type data struct {
	env   shard.Env
	epoch uint64

	mu     sync.RWMutex
	shards map[string]*shard.Shard
}

// newData opens every shard that the engine holds and attaches the clock.
func newData(e *engine.Engine, clock *shard.Clock) (*data, error) {
	if err := clock.Attach(shard.StoreIn(e)); err != nil {
		return nil, err
	}
	d := &data{env: shard.Env{Engine: e, Clock: clock}, epoch: e.Epoch(), shards: map[string]*shard.Shard{}}
	names, err := shard.Names(e)
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		s, err := shard.Open(d.env, name)
		if err != nil {
			return nil, err
		}
		d.shards[name] = s
	}
	return d, nil
}

// close makes everything durable and lets go of the engine. Nobody uses it any more.
func (d *data) close() error {
	return errors.Join(d.env.Clock.Detach(), d.env.Engine.Close())
}

func (d *data) shard(name string) (*shard.Shard, error) {
	d.mu.RLock()
	defer d.mu.RUnlock()
	s := d.shards[name]
	if s == nil {
		return nil, apierror.New(apierror.ShardGone, "shard %q is not on this server", name)
	}
	return s, nil
}

// terms are the shards here, with their leadership terms.
func (d *data) terms() map[string]uint64 {
	d.mu.RLock()
	defer d.mu.RUnlock()
	terms := make(map[string]uint64, len(d.shards))
	for name, s := range d.shards {
		terms[name] = s.Term()
	}
	return terms
}

// create makes a shard, or raises the term of the one that is here.
func (d *data) create(name string, term uint64) error {
	s, err := d.shard(name)
	if err == nil {
		return s.SetTerm(max(term, s.Term()))
	}
	if s, err = shard.Create(d.env, name, term); err != nil {
		return fmt.Errorf("create shard %s: %w", name, err)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.shards[name] = s
	return nil
}

// drop removes a shard with all its documents. Requests under way on it finish first.
func (d *data) drop(name string) error {
	d.mu.RLock()
	s := d.shards[name]
	d.mu.RUnlock()
	if s == nil {
		return nil
	}
	if err := s.Drop(); err != nil {
		return err // it is gone for requests, and dropped again later
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.shards, name)
	return nil
}
