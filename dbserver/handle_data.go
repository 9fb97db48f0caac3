package dbserver

import (
	"context"
	"fmt"

	"stasis/dbserver/client"
	"stasis/dbserver/shard"
	"stasis/internal/apierror"
)

// A request passes the gate once per chunk, so that a long one does not keep a
// backup waiting.
const (
	chunkOps   = 1000
	chunkBytes = 4 << 20 // of documents
)

// nothing is an answer without content.
type nothing struct{}

func (s *Server) documents(ctx context.Context, d *data, q request[client.DocumentsRequest]) (client.DocumentsResponse, error) {
	answer := client.DocumentsResponse{Results: make([]client.OpResult, 0, len(q.body.Ops))}
	on, err := d.shard(q.shard)
	if err != nil {
		return answer, err
	}
	for rest := q.body.Ops; len(rest) > 0; {
		chunk := q.body
		chunk.Ops, rest = cutChunk(rest)
		results, err := s.chunk(ctx, on, chunk)
		if err != nil && len(answer.Results) == 0 {
			return answer, err
		}
		if err != nil { // some are done: say so, and refuse the others one by one
			return refuseRest(answer, q.body.Ops, err), nil
		}
		answer.Results = append(answer.Results, results...)
	}
	answer.Synced = q.body.WaitForSync
	return answer, nil
}

// chunk applies some operations, inside the gate if any of them writes.
func (s *Server) chunk(ctx context.Context, on *shard.Shard, r client.DocumentsRequest) ([]client.OpResult, error) {
	if err := ctx.Err(); err != nil {
		return nil, endOf(ctx, err)
	}
	if writes(r.Ops) {
		leave, err := s.gate.Enter(ctx)
		if err != nil {
			return nil, endOf(ctx, err)
		}
		defer leave()
	}
	return on.Documents(r)
}

// endOf is why a context ended, before anything was applied.
func endOf(ctx context.Context, err error) error {
	if why := apierror.From(context.Cause(ctx)); why.Num != apierror.Internal {
		return why
	}
	return apierror.New(apierror.Cancelled, "%w", err)
}

// refuseRest fills up the answer of a request that ended half way.
func refuseRest(answer client.DocumentsResponse, ops []client.Op, err error) client.DocumentsResponse {
	for _, op := range ops[len(answer.Results):] {
		answer.Results = append(answer.Results, client.OpResult{Key: op.Key, Error: apierror.From(err)})
	}
	return answer
}

// cutChunk splits operations after the first chunk; it has at least one.
func cutChunk(ops []client.Op) (chunk, rest []client.Op) {
	bytes := 0
	for i := range ops {
		if bytes += len(ops[i].Document); i > 0 && (bytes > chunkBytes || i == chunkOps) {
			return ops[:i], ops[i:]
		}
	}
	return ops, nil
}

func writes(ops []client.Op) bool {
	for i := range ops {
		if ops[i].Kind != client.OpRead {
			return true
		}
	}
	return false
}

func (s *Server) scan(ctx context.Context, d *data, q request[client.ScanRequest]) (client.ScanResponse, error) {
	on, err := d.shard(q.shard)
	if err != nil {
		return client.ScanResponse{}, err
	}
	return on.Scan(ctx, q.body)
}

func (s *Server) count(_ context.Context, d *data, q request[nothing]) (client.CountResponse, error) {
	on, err := d.shard(q.shard)
	if err != nil {
		return client.CountResponse{}, err
	}
	count, revision := on.Count()
	return client.CountResponse{Count: count, Revision: revision}, nil
}

func (s *Server) truncate(ctx context.Context, d *data, q request[client.TruncateRequest]) (nothing, error) {
	on, err := d.shard(q.shard)
	if err != nil {
		return nothing{}, err
	}
	leave, err := s.gate.Enter(ctx)
	if err != nil {
		return nothing{}, fmt.Errorf("truncate %s: %w", q.shard, endOf(ctx, err))
	}
	defer leave()
	return nothing{}, on.Truncate(q.body.WaitForSync)
}
