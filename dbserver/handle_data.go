package dbserver

import (
	"context"
	"fmt"
	"slices"

	dbclient "stasis/dbserver/client"
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

// nothing is an answer without content.
type nothing struct{}

func (s *Server) documents(ctx context.Context, d *data, q request[dbclient.DocumentsRequest]) (dbclient.DocumentsResponse, error) {
	answer := dbclient.DocumentsResponse{Results: make([]dbclient.OpResult, 0, len(q.body.Ops))}
	on, err := d.led(q.shard)
	if err != nil {
		return answer, err
	}
	q.body.Account = budget.Of(ctx)
	returned := 0
	for rest := q.body.Ops; len(rest) > 0 && returned < maxReturnedBytes; {
		chunk := q.body
		chunk.Ops, rest = cutChunk(rest)
		results, err := s.chunk(ctx, d, on, chunk)
		if err != nil && len(answer.Results) == 0 {
			return answer, err
		}
		if err != nil { // some are done: say so, and refuse the others one by one
			return refuseRest(answer, q.body.Ops, err), nil
		}
		answer.Results = append(answer.Results, results...)
		for _, r := range results {
			returned += len(r.Old) + len(r.New)
		}
		if len(results) < len(chunk.Ops) {
			break // the documents are many: the coordinator asks again for what follows
		}
	}
	answer.Synced = q.body.WaitForSync
	return answer, nil
}

// chunk applies some operations, inside the gate if any of them writes. What has been
// numbered is waited for whoever still listens: the gate is not left before it is in
// the log of every in-sync replica.
func (s *Server) chunk(ctx context.Context, d *data, on *hosted, r dbclient.DocumentsRequest) ([]dbclient.OpResult, error) {
	if err := ctx.Err(); err != nil {
		return nil, endOf(ctx, err)
	}
	writing := writes(r.Ops)
	if writing && !failpoint.Off("writes-pass-gate") {
		leave, err := s.gate.Enter(ctx)
		if err != nil {
			return nil, endOf(ctx, err)
		}
		defer leave()
	}
	results, err := on.Documents(d.life, r)
	if err != nil || !shows(r.Ops, results) {
		return results, err
	}
	if err := failpoint.Hit(ctx, "dbserver/documents/answer", s.id); err != nil {
		return nil, err
	}
	if err := on.leader.Serving(); err != nil && !failpoint.Off("lease-after-documents") { // what was seen may have been another's to show
		if writing {
			return nil, apierror.New(apierror.ConnectionLost, "the outcome is unknown: %w", err)
		}
		return nil, err
	}
	return results, nil
}

// endOf is why a context ended, before anything was applied.
func endOf(ctx context.Context, err error) error {
	if why := apierror.From(context.Cause(ctx)); why.Num != apierror.Internal {
		return why
	}
	return apierror.New(apierror.Cancelled, "%w", err)
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

// looking reads from a shard while this server leads it, from the beginning to the end.
func looking[A any](d *data, name string, f func(*hosted) (A, error)) (answer A, err error) {
	on, err := d.led(name)
	if err != nil {
		return answer, err
	}
	seen, err := f(on)
	if err == nil && !failpoint.Off("lease-after-looking") {
		err = on.leader.Serving()
	}
	if err != nil {
		return answer, err
	}
	return seen, nil
}

func (s *Server) scan(ctx context.Context, d *data, q request[dbclient.ScanRequest]) (dbclient.ScanResponse, error) {
	return looking(d, q.shard, func(on *hosted) (dbclient.ScanResponse, error) { return on.Scan(ctx, q.body) })
}

func (s *Server) count(_ context.Context, d *data, q request[nothing]) (dbclient.CountResponse, error) {
	return looking(d, q.shard, func(on *hosted) (dbclient.CountResponse, error) {
		st := on.State()
		return dbclient.CountResponse{Count: st.Count, Revision: st.Revision}, nil
	})
}

// checksum answers as leader, or for whatever replica is here.
func (s *Server) checksum(ctx context.Context, d *data, q request[dbclient.ChecksumRequest]) (dbclient.ChecksumResponse, error) {
	sum := func(on *hosted) (dbclient.ChecksumResponse, error) {
		n, st, err := on.Checksum(ctx)
		role := dbclient.RoleFollower
		if on.leader != nil {
			role = dbclient.RoleLeader
		}
		return dbclient.ChecksumResponse{
			Checksum: fmt.Sprintf("%016x", n), Count: st.Count, Revision: st.Revision, Term: st.Promised.Term,
			Seq: st.Last.Seq, Committed: st.Committed, Role: role, Copying: st.Copying || on.Receiving(),
		}, err
	}
	if !q.body.Replica {
		return looking(d, q.shard, sum)
	}
	on, err := d.replica(q.shard)
	if err != nil {
		return dbclient.ChecksumResponse{}, err
	}
	return sum(on)
}

func (s *Server) truncate(ctx context.Context, d *data, q request[dbclient.TruncateRequest]) (nothing, error) {
	on, err := d.led(q.shard)
	if err != nil {
		return nothing{}, err
	}
	leave, err := s.gate.Enter(ctx)
	if err != nil {
		return nothing{}, fmt.Errorf("truncate %s: %w", q.shard, endOf(ctx, err))
	}
	defer leave()
	return nothing{}, on.Truncate(d.life, q.body.WaitForSync)
}
