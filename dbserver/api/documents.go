package api

import (
	"context"
	"fmt"
	"slices"
	"time"

	dbclient "stasis/dbserver/client"
	"stasis/dbserver/gate"
	"stasis/dbserver/store"
	"stasis/dbserver/transaction"
	"stasis/internal/apierror"
	"stasis/internal/budget"
	"stasis/internal/failpoint"
)

// A request passes the gate once per chunk, so that a long one does not keep a
// backup waiting.
const (
	chunkOps   = 1000
	chunkBytes = 4 << 20 // of documents
)

// maxReturnedBytes of documents end an answer, which is put together in memory.
const maxReturnedBytes = 16 << 20

// Documents answers what clients of a coordinator read and write.
type Documents struct {
	ID           string // of this server
	Gate         *gate.Gate
	Transactions *transaction.Ledger
}

// apply is Apply for requests over HTTP, whose writes must have a name.
func (d Documents) apply(ctx context.Context, s *store.Store, q Request[dbclient.DocumentsRequest]) (dbclient.DocumentsResponse, error) {
	if !q.Named && writes(q.Body.Ops) {
		return dbclient.DocumentsResponse{}, errUnnamed
	}
	if part := q.Body.Transaction; part != nil {
		q.Body.Account = budget.Of(ctx)
		return d.Transactions.Documents(ctx, inPart(s, q, part, q.Body.Whole), q.Body)
	}
	return d.Apply(ctx, s, q)
}

// Apply applies operations to a shard, chunk by chunk.
func (d Documents) Apply(ctx context.Context, s *store.Store, q Request[dbclient.DocumentsRequest]) (dbclient.DocumentsResponse, error) {
	answer := dbclient.DocumentsResponse{Results: make([]dbclient.OpResult, 0, len(q.Body.Ops))}
	on, err := s.Led(q.Shard)
	if err != nil {
		return answer, err
	}
	q.Body.Account = budget.Of(ctx)
	returned := 0
	for rest := q.Body.Ops; len(rest) > 0 && returned < maxReturnedBytes; {
		chunk := q.Body
		chunk.Ops, rest = cutChunk(rest)
		results, err := d.chunk(ctx, s.Life(), on, chunk, q.Until)
		if err != nil && len(answer.Results) == 0 {
			return answer, err
		}
		if err != nil { // some are done: say so, and refuse the others one by one
			return refuseRest(answer, q.Body.Ops, err), nil
		}
		answer.Results = append(answer.Results, results...)
		for _, r := range results {
			returned += len(r.Old) + len(r.New)
		}
		if len(results) < len(chunk.Ops) {
			break // the documents are many: the coordinator asks again for what follows
		}
	}
	answer.Synced = q.Body.WaitForSync
	return answer, nil
}

// chunk applies some operations, inside the gate if any of them writes. It waits for what it
// has numbered as long as this server leads (life), also when the client has gone: the gate
// must not be left before a record is in the log of every in-sync replica. At the gate it waits
// until the time that its client has set, if any.
func (d Documents) chunk(ctx, life context.Context, on *store.Replica, r dbclient.DocumentsRequest, until time.Time) ([]dbclient.OpResult, error) {
	if err := ctx.Err(); err != nil {
		return nil, endOf(ctx, err)
	}
	writing := writes(r.Ops)
	if writing && !failpoint.Off("writes-pass-gate") {
		p, err := pass(ctx, d.Gate, until)
		if err != nil {
			return nil, err
		}
		defer p.end()
		r.Waiting = dbclient.Waiting{Client: ctx, Until: until, Passage: p}
	}
	if err := failpoint.Hit(ctx, "dbserver/documents/apply", d.ID); err != nil {
		return nil, err
	}
	results, err := on.Shard.Documents(life, r)
	if err != nil || !shows(r.Ops, results) {
		return results, err
	}
	if err := failpoint.Hit(ctx, "dbserver/documents/answer", d.ID); err != nil {
		return nil, err
	}
	if err := on.Leader.Serving(); err != nil && !failpoint.Off("lease-after-documents") { // another leader may have begun before this read
		if writing {
			return nil, apierror.New(apierror.ConnectionLost, "the outcome is unknown: %w", err)
		}
		return nil, err
	}
	return results, nil
}

// refuseRest fills up the answer of a request that ended half way.
func refuseRest(answer dbclient.DocumentsResponse, ops []dbclient.Op, err error) dbclient.DocumentsResponse {
	for _, op := range ops[len(answer.Results):] {
		answer.Results = append(answer.Results, dbclient.OpResult{Key: op.Key, Error: apierror.From(err)})
	}
	return answer
}

// cutChunk splits operations after the first chunk; it has at least one.
func cutChunk(ops []dbclient.Op) (chunk, rest []dbclient.Op) {
	bytes := 0
	for i := range ops {
		if bytes += len(ops[i].Document); i > 0 && (bytes > chunkBytes || i == chunkOps) {
			return ops[:i], ops[i:]
		}
	}
	return ops, nil
}

func writes(ops []dbclient.Op) bool {
	return slices.ContainsFunc(ops, func(op dbclient.Op) bool { return op.Kind != dbclient.OpRead })
}

// shows says whether results tell what is stored: of reads, and of writes that left
// everything as it was. (One that changed something was agreed to by all replicas.)
func shows(ops []dbclient.Op, results []dbclient.OpResult) bool {
	for i, r := range results {
		if ops[i].Kind == dbclient.OpRead || r.Error != nil || r.Ignored {
			return true
		}
	}
	return false
}

// leading reads from a shard while this server leads it, from the beginning to the end.
func leading[A any](ctx context.Context, server string, s *store.Store, name string, f func(*store.Replica) (A, error)) (answer A, err error) {
	on, err := s.Led(name)
	if err != nil {
		return answer, err
	}
	seen, err := f(on)
	if err == nil {
		err = failpoint.Hit(ctx, "dbserver/leading/answer", server)
	}
	if err == nil && !failpoint.Off("lease-after-looking") {
		err = on.Leader.Serving()
	}
	if err != nil {
		return answer, err
	}
	return seen, nil
}

func (d Documents) scan(ctx context.Context, s *store.Store, q Request[dbclient.ScanRequest]) (dbclient.ScanResponse, error) {
	if part := q.Body.Transaction; part != nil {
		return d.Transactions.Scan(ctx, inPart(s, q, part, q.Body.Whole), q.Body)
	}
	return leading(ctx, d.ID, s, q.Shard, func(on *store.Replica) (dbclient.ScanResponse, error) { return on.Shard.Scan(ctx, q.Body) })
}

func (d Documents) count(ctx context.Context, s *store.Store, q Request[dbclient.CountRequest]) (dbclient.CountResponse, error) {
	if part := q.Body.Transaction; part != nil {
		return d.Transactions.Count(ctx, inPart(s, q, part, q.Body.Whole))
	}
	return leading(ctx, d.ID, s, q.Shard, func(on *store.Replica) (dbclient.CountResponse, error) {
		if err := on.Shard.Transactions().Settled(ctx); err != nil {
			return dbclient.CountResponse{}, err
		}
		st := on.Shard.State()
		return dbclient.CountResponse{Count: st.Count, Revision: st.Revision}, nil
	})
}

// checksum answers as the leader, or for the replica that is here.
func (d Documents) checksum(ctx context.Context, s *store.Store, q Request[dbclient.ChecksumRequest]) (dbclient.ChecksumResponse, error) {
	sum := func(on *store.Replica) (dbclient.ChecksumResponse, error) {
		n, st, err := on.Shard.Checksum(ctx)
		role := dbclient.RoleFollower
		if on.Leader != nil {
			role = dbclient.RoleLeader
		}
		return dbclient.ChecksumResponse{
			Checksum: fmt.Sprintf("%016x", n), Count: st.Count, Revision: st.Revision, Term: st.Promised.Term,
			Seq: st.Last.Seq, Committed: st.Committed, Role: role, Copying: st.Copying || on.Shard.Receiving(),
		}, err
	}
	if !q.Body.Replica {
		return leading(ctx, d.ID, s, q.Shard, func(on *store.Replica) (dbclient.ChecksumResponse, error) {
			if err := on.Shard.Transactions().Settled(ctx); err != nil {
				return dbclient.ChecksumResponse{}, err
			}
			return sum(on)
		})
	}
	on, err := s.Replica(q.Shard)
	if err != nil {
		return dbclient.ChecksumResponse{}, err
	}
	return sum(on)
}

func (d Documents) truncate(ctx context.Context, s *store.Store, q Request[dbclient.TruncateRequest]) (nothing, error) {
	if !q.Named {
		return nothing{}, errUnnamed
	}
	if part := q.Body.Transaction; part != nil {
		return nothing{}, d.Transactions.Truncate(ctx, inPart(s, q, part, true))
	}
	on, err := s.Led(q.Shard)
	if err != nil {
		return nothing{}, err
	}
	p, err := pass(ctx, d.Gate, q.Until)
	if err != nil {
		return nothing{}, fmt.Errorf("truncate %s: %w", q.Shard, err)
	}
	defer p.end()
	q.Body.Waiting = dbclient.Waiting{Client: ctx, Until: q.Until, Passage: p}
	return nothing{}, on.Shard.Truncate(s.Life(), q.Body)
}

// inPart is what an operation of a part has of its request.
func inPart[Q any](s *store.Store, q Request[Q], part *dbclient.TxnPart, whole bool) transaction.Request {
	return transaction.Request{Store: s, Shard: q.Shard, Part: *part, Whole: whole, Until: q.Until}
}
