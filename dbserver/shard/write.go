package shard

import (
	"context"
	"errors"
	"fmt"

	dbclient "stasis/dbserver/client"
	"stasis/dbserver/engine"
	"stasis/dbserver/locks"
	"stasis/internal/apierror"
	"stasis/internal/failpoint"
)

// maxReturnedBytes of documents are returned at once, and one operation's.
const maxReturnedBytes = 16 << 20

// Documents applies r's operations in order. Each is atomic and independent of the others: one
// that is refused has its error in its result. With WaitForSync all are on the disks of all
// in-sync replicas before it returns. It stops when the results have many bytes of documents:
// an operation without a result was not done.
//
// After [apierror.NotLeader] and an error of Quorum.Admit nothing was applied. Any other error
// means that the disk failed, the shard is gone, or the leadership has ended
// ([apierror.ConnectionLost]): the outcome of the operations is unknown then. ctx bounds the
// wait for other replicas and should outlast the client.
//
// The caller holds the server's gate if any operation writes, until Documents returns.
func (s *Shard) Documents(ctx context.Context, r dbclient.DocumentsRequest) ([]dbclient.OpResult, error) {
	lead, err := (*leadership)(nil), error(nil)
	if writes(r.Ops) { // reading needs no quorum
		lead, err = s.leading()
	}
	if err != nil {
		return nil, err
	}
	c := &chunk{shard: s, request: r, lead: lead, results: make([]dbclient.OpResult, 0, len(r.Ops))}
	if lead != nil {
		c.claim = claimOf(r.Waiting)
		defer c.claim.end()
	}
	for _, op := range r.Ops {
		if c.bytes >= maxReturnedBytes && !failpoint.Off("returned-is-bounded") {
			break
		}
		if c.claim != nil && c.claim.outside != nil && !failpoint.Off("nothing-is-done-outside-the-gate") { // nothing is done outside the gate
			c.results = append(c.results, failed(op.Key, c.claim.outside, nil))
			continue
		}
		if err := c.do(ctx, op); err != nil {
			return nil, err
		}
	}
	return c.results, c.await(ctx)
}

// chunk is one call of Documents.
type chunk struct {
	shard   *Shard
	request dbclient.DocumentsRequest
	lead    *leadership // of one that writes: what its operations are decided under
	results []dbclient.OpResult
	until   uint64 // what the results depend on is committed up to here
	wrote   bool
	bytes   int    // of the documents in the results
	claim   *claim // of one that writes
	ended   error  // what the results depend on did not come about
}

// resultFactor is how many times its size a document of the results holds until it is sent:
// itself, and its text in an answer that grows by doubling.
const resultFactor = 4

// show takes the memory for documents that go into the results. Its error is the operation's, so
// it is called before the operation is applied.
func (c *chunk) show(documents ...[]byte) error {
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

// do does one operation. Its error ends the chunk; the error of an operation alone goes into
// its result.
func (c *chunk) do(ctx context.Context, op dbclient.Op) error {
	if op.Kind == dbclient.OpRead && c.until > 0 { // it must see the writes before it in the list
		if err := c.await(ctx); err != nil {
			return err
		}
	}
	result, stored, err := c.apply(ctx, op)
	var refused *apierror.Error
	switch {
	case err == nil:
	case c.ended != nil:
		return c.ended
	case errors.As(err, &refused) && refused.Num == apierror.NotLeader && !c.wrote:
		return err
	case errors.As(err, &refused) && refused.Num == apierror.NotLeader:
		return unknown(c.shard.name, err)
	case errors.As(err, &refused) && refused.Num != apierror.ShardGone && (refused.Num != apierror.NoSpace || errors.Is(err, engine.ErrRefused)):
		result = failed(op.Key, err, stored)
	default:
		return fmt.Errorf("shard %s: %s %q: %w", c.shard.name, op.Kind, op.Key, err)
	}
	c.results = append(c.results, result)
	return nil
}

// await waits until what the results depend on is committed, and on disk if the request wants that.
func (c *chunk) await(ctx context.Context) error {
	if c.until == 0 {
		return nil
	}
	seq := c.until
	c.until = 0
	if err := c.lead.quorum.Await(ctx, seq, c.request.WaitForSync && c.wrote); err != nil {
		return unknown(c.shard.name, err)
	}
	return nil
}

// apply does one operation. stored is the document that it met, for the error's revision.
func (c *chunk) apply(ctx context.Context, op dbclient.Op) (result dbclient.OpResult, stored *document, err error) {
	s := c.shard
	body, err := checkOp(op)
	if err != nil {
		return result, nil, err
	}
	if op.Kind == dbclient.OpRead {
		return c.read(ctx, op)
	}
	if err := c.lock(ctx, op.Key); err != nil {
		return result, nil, err
	}
	defer c.claim.release(s.env.Locks)
	if err := s.enter(); err != nil {
		return result, nil, err
	}
	defer s.content.RUnlock()
	stored, depends, err := s.latest(op.Key)
	if err != nil {
		return result, nil, err
	}
	c.until = max(c.until, depends)
	out, err := decide(op, body, stored)
	if err != nil {
		return result, stored, err
	}
	result, err = c.carryOut(op, out, stored)
	return result, stored, err
}

// lock takes a key for an operation. Its error is the operation's, unless it has set c.ended.
func (c *chunk) lock(ctx context.Context, key string) error {
	s, l := c.shard, c.claim
	err := s.locks.Key(l.until(ctx), &l.owner, key, lockWait) // inside the gate it waits for brief owners only
	if err == nil {
		return nil
	}
	l.release(s.env.Locks)
	if errors.Is(err, locks.ErrLong) {
		if !failpoint.Off("gate-is-left-with-nothing-in-flight") {
			c.ended = c.await(ctx)
		}
		if c.ended != nil {
			return c.ended
		}
		err = l.aside(ctx, s.env.Locks, func(ctx context.Context) error { return s.locks.Key(ctx, &l.owner, key, l.patience) })
		if err == nil { // whether the disk takes writes may have changed
			err = stillLeading(s, c.lead)
		}
	}
	if err != nil {
		l.release(s.env.Locks)
	}
	return refused(err)
}

// read does an operation that reads.
func (c *chunk) read(ctx context.Context, op dbclient.Op) (result dbclient.OpResult, stored *document, err error) {
	s := c.shard
	if err := s.doubts.await(orElse(c.request.Waiting.Client, ctx), op.Key); err != nil {
		return result, nil, refused(err)
	}
	if err := s.enter(); err != nil {
		return result, nil, err
	}
	defer s.content.RUnlock()
	if stored, err = s.r.st.get(op.Key); err != nil {
		return result, nil, err
	}
	if result, err = read(op, stored); err == nil {
		if err = c.show(result.New); err != nil {
			result.New = nil
		}
	}
	return result, stored, err
}

// carryOut numbers an outcome and completes its result. The caller holds the key.
func (c *chunk) carryOut(op dbclient.Op, out outcome, stored *document) (dbclient.OpResult, error) {
	s := c.shard
	if !out.writes() {
		return out.result, nil
	}
	time, err := s.env.Clock.next()
	if err != nil {
		return out.result, err
	}
	result, d, err := finish(&c.request, op, out, stored, time)
	if err != nil {
		return result, err
	}
	w := write{time: time}
	if out.put != nil {
		w.changes = []Change{{Kind: Put, Key: op.Key, Value: d.encode()}}
		if stored == nil {
			w.added = 1
		}
	} else {
		w.changes, w.added = []Change{{Kind: Delete, Key: op.Key}}, -1
	}
	if err := c.show(result.New, result.Old); err != nil {
		return dbclient.OpResult{}, err
	}
	seq, err := number(s, c.lead, w)
	if err != nil {
		return result, err
	}
	c.until, c.wrote = max(c.until, seq), true
	return result, nil
}

// finish completes the result of an operation that writes, at a time of the clock, and makes the document if there is to be one.
func finish(r *dbclient.DocumentsRequest, op dbclient.Op, out outcome, stored *document, time uint64) (result dbclient.OpResult, d document, err error) {
	result = out.result
	if out.put != nil {
		if d, err = newDocument(op.Key, r.Collection, time, out.put); err != nil {
			return result, d, err
		}
		result.Rev = d.rev()
		if r.ReturnNew {
			result.New = d.json
		}
	}
	if r.ReturnOld && stored != nil {
		result.Old = stored.json
	}
	return result, d, nil
}

// latest is the document that the next write of a key meets: that of the last record about it,
// which may not be committed. depends is that record's number then. The caller holds the key.
func (s *Shard) latest(key string) (d *document, depends uint64, err error) {
	s.mu.Lock()
	d, depends, found, err := s.r.latest(key)
	s.mu.Unlock()
	if !found && err == nil {
		d, err = s.r.st.get(key)
	}
	return d, depends, err
}

// number numbers what was decided under a leadership; see replica.append.
func number(s *Shard, under *leadership, w write) (seq uint64, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.r.append(under, w)
}
