package shard

import (
	"context"
	"fmt"

	dbclient "stasis/dbserver/client"
)

// Truncate removes all documents, as one write. Its errors are those of Documents. The caller holds the
// gate, as for Documents.
func (s *Shard) Truncate(ctx context.Context, r dbclient.TruncateRequest) error {
	if _, err := s.leading(); err != nil {
		return err
	}
	lead, seq, err := appendTruncate(ctx, s, r.Waiting)
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
func appendTruncate(ctx context.Context, s *Shard, w dbclient.Waiting) (lead *leadership, seq uint64, err error) {
	l := claimOf(w)
	defer l.end()
	if err := l.whole(ctx, s); err != nil {
		return nil, 0, err
	}
	defer l.release(s.env.Locks)
	if lead, err = s.leading(); err != nil { // it may have waited
		return nil, 0, err
	}
	if err := s.enter(); err != nil {
		return nil, 0, err
	}
	defer s.content.RUnlock()
	time, err := s.env.Clock.next()
	if err != nil {
		return nil, 0, err
	}
	seq, err = number(s, lead, write{changes: []Change{{Kind: Truncate}}, time: time})
	return lead, seq, err
}
