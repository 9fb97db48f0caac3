package shard

import (
	"context"

	dbclient "stasis/dbserver/client"
)

// Scan is [Shard.Scan] with the part's own writes.
func (p *Part) Scan(ctx context.Context, r dbclient.ScanRequest) (page dbclient.ScanResponse, err error) {
	if err := p.lives(); err != nil {
		return page, err
	}
	if page, err = scan(ctx, p.shard, r, p); err != nil {
		return page, p.lost(err)
	}
	return page, p.lives()
}

// Count is the number of documents with the part's own writes.
func (p *Part) Count(ctx context.Context) (dbclient.CountResponse, error) {
	if err := p.lives(); err != nil {
		return dbclient.CountResponse{}, err
	}
	if err := p.shard.Transactions().Settled(ctx); err != nil {
		return dbclient.CountResponse{}, p.lost(err)
	}
	st := p.shard.State()
	n := int64(st.Count)
	if p.emptied {
		n = 0
	}
	for _, w := range p.staged {
		switch {
		case w.document != nil && !w.existed:
			n++
		case w.document == nil && w.existed:
			n--
		}
	}
	return dbclient.CountResponse{Count: uint64(n), Revision: st.Revision}, p.lives()
}
