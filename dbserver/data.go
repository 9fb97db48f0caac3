package dbserver

import (
	"context"
	"errors"
	"fmt"
	"sync"

	dbclient "stasis/dbserver/client"
	"stasis/dbserver/engine"
	"stasis/dbserver/replica"
	"stasis/dbserver/shard"
	"stasis/internal/apierror"
)

// data is an open engine and the shards in it. Requests reach it through access.
type data struct {
	env   shard.Env
	home  replica.Home
	epoch uint64
	life  context.Context // ends when nothing here leads any more
	end   context.CancelCauseFunc

	mu     sync.RWMutex
	shards map[string]*hosted
}

// hosted is a replica on this server, what it answers to a leader elsewhere, and its leader
// if that is here.
type hosted struct {
	*shard.Shard
	follower *replica.Follower
	leader   *replica.Leader
}

// newData opens every shard that the engine holds and attaches the clock. Nothing leads.
func newData(e *engine.Engine, clock *shard.Clock, home replica.Home) (*data, error) {
	if err := clock.Attach(shard.StoreIn(e)); err != nil {
		return nil, err
	}
	home.Epoch = e.Epoch()
	d := &data{env: shard.Env{Engine: e, Clock: clock}, home: home, epoch: e.Epoch(), shards: map[string]*hosted{}}
	d.life, d.end = context.WithCancelCause(context.Background())
	names, err := shard.Names(e)
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		s, err := shard.Open(d.env, name)
		if err != nil {
			return nil, err
		}
		d.host(s)
	}
	return d, nil
}

// host adds a shard that nothing leads. mu is held, or the only reference.
func (d *data) host(s *shard.Shard) {
	d.shards[s.Name()] = &hosted{Shard: s, follower: replica.NewFollower(d.home, s)}
}

// resign ends all leaderships for good. Writes under way end with an unknown outcome.
func (d *data) resign(why error) {
	d.end(why)
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, h := range d.shards {
		if h.leader != nil {
			h.leader.Close()
		}
	}
}

// close makes everything durable and lets go of the engine. Nobody uses it any more.
func (d *data) close() error {
	d.resign(errStopping)
	return errors.Join(d.env.Clock.Detach(), d.env.Engine.Close())
}

// replica is the shard as it is on this server, whoever leads it.
func (d *data) replica(name string) (*hosted, error) {
	d.mu.RLock()
	defer d.mu.RUnlock()
	h := d.shards[name]
	if h == nil {
		return nil, apierror.New(apierror.ShardGone, "shard %q is not on this server", name)
	}
	return &hosted{Shard: h.Shard, follower: h.follower, leader: h.leader}, nil
}

// led is a shard that this server leads and may serve.
func (d *data) led(name string) (*hosted, error) {
	if d.life.Err() != nil {
		return nil, context.Cause(d.life)
	}
	h, err := d.replica(name)
	if err != nil {
		return nil, err
	}
	if h.leader == nil {
		return nil, apierror.New(apierror.NotLeader, "this server does not lead shard %s", name)
	}
	return h, h.leader.Serving()
}

// stand says where the replicas here stand: of those that lead, what they state.
func (d *data) stand() dbclient.CutResponse {
	d.mu.RLock()
	defer d.mu.RUnlock()
	answer := dbclient.CutResponse{Logs: map[string]uint64{}}
	for name, h := range d.shards {
		if h.leader != nil {
			answer.Statements = append(answer.Statements, h.leader.Statement())
		} else {
			answer.Logs[name] = h.Seq() // of a replica that a copy is brought to: where it ended before
		}
	}
	return answer
}

// names are the shards here.
func (d *data) names() map[string]bool {
	d.mu.RLock()
	defer d.mu.RUnlock()
	names := make(map[string]bool, len(d.shards))
	for name := range d.shards {
		names[name] = true
	}
	return names
}

// create makes a shard unless it is here.
func (d *data) create(name string) error {
	s, err := shard.Create(d.env, name)
	if err != nil {
		return fmt.Errorf("create shard %s: %w", name, err)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.shards[name] == nil {
		d.host(s)
	}
	return nil
}

// drop removes a shard with all its documents. Requests under way on it finish first.
func (d *data) drop(name string) error {
	d.mu.RLock()
	h := d.shards[name]
	d.mu.RUnlock()
	if h == nil {
		return nil
	}
	d.lead(name, nil)
	if err := h.Drop(); err != nil {
		return err // it is gone for requests, and dropped again later
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.shards, name)
	return nil
}

// lead puts a leader in the place of the one that is there; nil: this server does
// not lead the shard.
func (d *data) lead(name string, begin func(*shard.Shard) *replica.Leader) {
	d.mu.Lock()
	h := d.shards[name]
	var old *replica.Leader
	if h != nil {
		old, h.leader = h.leader, nil
	}
	d.mu.Unlock()
	if old != nil {
		old.Close()
	}
	if h == nil || begin == nil {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.life.Err() == nil {
		h.leader = begin(h.Shard)
	}
}

// assign makes this server lead what Plan says, and nothing else.
func (d *data) assign(server replica.Server, places []replica.Place) {
	for _, p := range places {
		h, err := d.replica(p.Shard)
		switch {
		case err != nil: // could not be created
		case p.Leader() != server.ID:
			if h.leader != nil {
				d.lead(p.Shard, nil)
			}
		case h.leader == nil, h.leader.Tenure().Term != p.Term, h.leader.Over():
			d.lead(p.Shard, func(s *shard.Shard) *replica.Leader { return replica.Lead(server, s, p) })
		default:
			h.leader.Update(p)
		}
	}
}

// broken says whether a shard is no longer what is on disk.
func (d *data) broken() bool {
	d.mu.RLock()
	defer d.mu.RUnlock()
	for _, h := range d.shards {
		if h.Broken() {
			return true
		}
	}
	return false
}

// over says whether a leadership has ended without Plan having said so.
func (d *data) over() bool {
	d.mu.RLock()
	defer d.mu.RUnlock()
	for _, h := range d.shards {
		if h.leader != nil && h.leader.Over() {
			return true
		}
	}
	return false
}
