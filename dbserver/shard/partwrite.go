package shard

import (
	"context"
	"errors"

	dbclient "stasis/dbserver/client"
	"stasis/internal/apierror"
)

// Documents applies operations in order: reads, and writes that stay in the part. One that is refused has its error in
// its result; apierror.LockTimeout, Deadlock and ResourceLimit are such errors, too. The revision of a result is the one
// that the document will have. It may stop before the last operation, as [Shard.Documents] does. Its own
// error is ErrPartGone, or the disk's, or what keeps the leader from writing: the part has then what it had, and
// perhaps what a part of the operations have written.
func (p *Part) Documents(ctx context.Context, r dbclient.DocumentsRequest) ([]dbclient.OpResult, error) {
	alive := p.lives
	if writes(r.Ops) {
		alive = p.writable
	}
	if err := alive(); err != nil {
		return nil, err
	}
	c := &staging{part: p, request: &r, results: make([]dbclient.OpResult, 0, len(r.Ops))}
	for _, op := range r.Ops {
		if c.bytes >= maxReturnedBytes {
			break
		}
		result, stored, err := c.apply(orElse(r.Waiting.Client, ctx), op)
		if err = p.lost(err); ends(err) {
			return nil, err
		}
		if err != nil {
			result = failed(op.Key, err, stored)
		}
		c.results = append(c.results, result)
	}
	if c.until > 0 {
		if err := p.depends(ctx, c.until); err != nil {
			return nil, err
		}
	}
	return c.results, p.lives() // what was read belongs to this leadership
}

// ends says whether an error is one of the call, and not of one operation.
func ends(err error) bool {
	var refused *apierror.Error
	return err != nil && (!errors.As(err, &refused) || refused.Num == apierror.ShardGone || refused.Num == apierror.NotLeader)
}

// staging is one call of Part.Documents.
type staging struct {
	part    *Part
	request *dbclient.DocumentsRequest
	results []dbclient.OpResult
	until   uint64 // what the results depend on is committed up to here
	bytes   int    // of the documents in the results
}

// apply does one operation. stored is the document that it met.
func (c *staging) apply(ctx context.Context, op dbclient.Op) (result dbclient.OpResult, stored *document, err error) {
	p := c.part
	body, err := checkOp(op)
	if err != nil {
		return result, nil, err
	}
	if op.Kind == dbclient.OpRead {
		return c.read(ctx, op)
	}
	if err := p.shard.locks.Key(ctx, p.owner, op.Key, p.limits.LockWait); err != nil {
		return result, nil, refused(err)
	}
	stored, depends, err := p.latest(op.Key)
	if err != nil {
		return result, nil, err
	}
	c.until = max(c.until, depends)
	if err := p.unchanged(op.Key, stored); err != nil {
		return result, stored, err
	}
	out, err := decide(op, body, stored)
	if err != nil {
		return result, stored, err
	}
	result, err = c.stage(op, out, stored)
	return result, stored, err
}

// read does an operation that reads: what the part has written, or what is committed.
func (c *staging) read(ctx context.Context, op dbclient.Op) (result dbclient.OpResult, stored *document, err error) {
	p := c.part
	stored, own := p.own(op.Key)
	if !own {
		if stored, err = p.committed(ctx, op.Key); err != nil {
			return result, nil, err
		}
		if err := p.saw(op.Key, stored); err != nil {
			return result, nil, err
		}
	}
	if result, err = read(op, stored); err == nil {
		if err = c.show(result.New); err != nil {
			result.New = nil
		}
	}
	return result, stored, err
}

// committed is the document that is committed under a key.
func (p *Part) committed(ctx context.Context, key string) (*document, error) {
	s := p.shard
	if err := s.doubts.await(ctx, key); err != nil {
		return nil, refused(err)
	}
	if err := s.enter(); err != nil {
		return nil, err
	}
	defer s.content.RUnlock()
	return s.r.st.get(key)
}

// stage keeps an outcome and completes its result. The part has the lock of the key.
func (c *staging) stage(op dbclient.Op, out outcome, stored *document) (dbclient.OpResult, error) {
	p := c.part
	if !out.writes() {
		return out.result, nil
	}
	time, err := p.shard.env.Clock.next()
	if err != nil {
		return out.result, err
	}
	result, d, err := finish(c.request, op, out, stored, time)
	if err != nil {
		return result, err
	}
	if err := c.show(result.New, result.Old); err != nil {
		return dbclient.OpResult{}, err
	}
	w, before := p.staged[op.Key]
	if !before {
		w.existed = stored != nil && !p.emptied
	}
	size := int64(len(op.Key) + len(d.json) + keptBytes)
	if err := p.grow(size - w.kept); err != nil {
		return dbclient.OpResult{}, err
	}
	w.kept, w.document = max(w.kept, size), nil
	if out.put != nil {
		w.document = &d
	}
	p.staged[op.Key], p.wrote = w, true
	if !before {
		p.keys = nil
	}
	return result, nil
}

// show takes the memory for documents that go into the results.
func (c *staging) show(documents ...[]byte) error {
	n := 0
	for _, d := range documents {
		n += len(d)
	}
	if err := c.request.Account.Take(resultFactor * int64(n)); err != nil {
		return err
	}
	c.bytes += n
	return nil
}
