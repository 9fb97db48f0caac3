package replica

import (
	"context"
	"errors"
	"fmt"

	"stasis/internal/failpoint"
)

// committer commits records when every required replica has them, and answers the writers
// that wait for that.
type committer struct {
	*base
	state *state
	apply func(seq uint64) (committed uint64, err error) // shard.Commit
}

// await is shard.Quorum's Await.
func (c *committer) await(ctx context.Context, seq uint64, sync bool) error {
	w := &waiter{seq: seq, sync: sync, done: make(chan error, 1)}
	if err := c.enlist(w); err != nil {
		return err
	}
	c.advance()
	var err error
	if sync { // in parallel with the followers: enlist has woken their feeds
		err = c.server.Sync()
	}
	select {
	case done := <-w.done:
		return errors.Join(err, done)
	case <-ctx.Done():
		return errors.Join(err, fmt.Errorf("wait for the followers: %w", context.Cause(ctx)))
	}
}

// enlist adds a waiter and has the feeds send its record.
func (c *committer) enlist(w *waiter) error {
	c.state.mu.Lock()
	defer c.state.mu.Unlock()
	if c.state.phase == over { // end has answered those that waited; a later one would wait for ever
		return c.state.why
	}
	c.state.waiting = append(c.state.waiting, w)
	c.state.pokeAll()
	return nil
}

// advance commits what all required replicas have, and answers the writers that waited for
// it.
func (c *committer) advance() {
	s := c.state
	s.mu.Lock()
	// A follower that becomes required after this look counts for later records only: it
	// must have these before it is reported (progress.needs).
	reached, synced := s.reached(c.shard.Seq())
	// Before the first report nothing is committed: a rival that lacks the records of this
	// log could still be chosen.
	reportedOnce := s.phase > joining || failpoint.Off("commit-after-report")
	behind := reportedOnce && s.phase != over && reached > s.committed
	if behind {
		// The decision counts on what the replicas have now. A follower that starts again
		// before the records are applied is not trusted until it has them (inSyncSet.reportOf).
		s.committing = max(s.committing, reached)
	}
	s.mu.Unlock()
	if behind {
		c.commit(reached)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	kept := s.waiting[:0]
	for _, w := range s.waiting {
		if w.seq <= s.committed && (!w.sync || w.seq <= synced) {
			w.done <- nil
		} else {
			kept = append(kept, w)
		}
	}
	clear(s.waiting[len(kept):])
	s.waiting = kept
}

// commit applies the records up to seq. A replica that cannot apply them leads no longer.
func (c *committer) commit(seq uint64) {
	n, err := c.apply(seq)
	if err != nil {
		c.log.Error("cannot commit", "error", err)
		c.state.end(err)
		return
	}
	c.state.mu.Lock()
	defer c.state.mu.Unlock()
	c.state.committed = max(c.state.committed, n)
	c.state.committing = max(c.state.committing, n)
}
