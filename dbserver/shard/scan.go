package shard

import (
	"context"
	"errors"
	"fmt"

	dbclient "stasis/dbserver/client"
	"stasis/internal/budget"
)

const (
	defaultPage  = 1000
	maxPageBytes = 16 << 20 // of documents; a page has at least one
)

// Scan reads a page of documents in key order, as they are at one moment.
func (s *Shard) Scan(ctx context.Context, r dbclient.ScanRequest) (page dbclient.ScanResponse, err error) {
	if err := s.enter(); err != nil {
		return page, err
	}
	defer s.content.RUnlock()
	limit := r.Limit
	if limit <= 0 {
		limit = defaultPage
	}
	it, err := s.env.Engine.NewIter(s.r.st.keys.documents(s.r.st.area, r.After))
	if err != nil {
		return page, fmt.Errorf("scan shard %s: %w", s.name, err)
	}
	defer func() { err = errors.Join(err, it.Close()) }()
	for ok, bytes := it.First(), 0; ok; ok = it.Next() {
		if len(page.Documents) == limit || bytes >= maxPageBytes {
			page.More = true
			return page, nil
		}
		value, err := it.Value()
		if err != nil {
			return page, fmt.Errorf("scan shard %s: %w", s.name, err)
		}
		d, err := decodeDocument(append([]byte(nil), value...))
		if err != nil {
			return page, fmt.Errorf("scan shard %s: key %q: %w", s.name, s.r.st.keys.keyOf(it.Key()), err)
		}
		if err := budget.Of(ctx).Take(resultFactor * int64(len(d.json))); err != nil {
			return page, fmt.Errorf("scan shard %s: %w", s.name, err)
		}
		page.Documents = append(page.Documents, d.json)
		page.PrevKey, page.LastKey = page.LastKey, s.r.st.keys.keyOf(it.Key())
		bytes += len(d.json)
		if err := ctx.Err(); err != nil {
			return page, fmt.Errorf("scan shard %s: %w", s.name, err)
		}
	}
	return page, it.Err()
}
