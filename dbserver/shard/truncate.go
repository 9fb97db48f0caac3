package shard

import (
	"context"
	"errors"
	"fmt"

	dbclient "stasis/dbserver/client"
	"stasis/dbserver/locks"
)

// Truncate removes all documents, as one write. Its errors are those of Documents. The caller holds the
// gate, as for Documents.
func (s *Shard) Truncate(ctx context.Context, r dbclient.TruncateRequest) error {
	lead, err := s.leading()
	if err != nil {
		return err
	}
	seq, err := appendTruncate(ctx, s, lead, r.Waiting)
	if err != nil {
		return fmt.Errorf("shard %s: truncate: %w", s.name, err)
	}
	if err := lead.quorum.Await(ctx, seq, r.WaitForSync); err != nil {
		return unknown(s.name, err)
	}
	return nil
}

// appendTruncate numbers a truncation while it has the whole shard: no operation is between looking at a key
// and numbering what it does to it.
func appendTruncate(ctx context.Context, s *Shard, lead *leadership, w dbclient.Waiting) (seq uint64, err error) {
	l := claimOf(w)
	defer l.end()
	if err := l.whole(ctx, s); err != nil {
		return 0, err
	}
	defer l.release(s.env.Locks)
	if err := stillLeading(s, lead); err != nil { // it may have waited
		return 0, err
	}
	if err := s.enter(); err != nil {
		return 0, err
	}
	defer s.content.RUnlock()
	time, err := s.env.Clock.next()
	if err != nil {
		return 0, err
	}
	return number(s, lead, write{changes: []Change{{Kind: Truncate}}, time: time})
}

// whole takes the whole shard. Nothing is numbered yet.
func (l *claim) whole(ctx context.Context, s *Shard) error {
	err := s.locks.Whole(l.until(ctx), &l.owner, lockWait)
	if errors.Is(err, locks.ErrLong) {
		err = l.aside(ctx, s.env.Locks, func(ctx context.Context) error { return s.locks.Whole(ctx, &l.owner, l.patience) })
	}
	if err != nil {
		l.release(s.env.Locks)
	}
	return refused(err)
}
