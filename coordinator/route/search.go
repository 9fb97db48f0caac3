package route

import (
	"context"
	"errors"
	"sync"

	"golang.org/x/sync/errgroup"

	"stasis/coordinator/catalog"
	dbclient "stasis/dbserver/client"
	"stasis/internal/apierror"
)

// noRevision is what no document has as its revision. Who asks for a document with it hears whether there is one, and gets
// none of it.
const noRevision = "?"

// probesAtOnce bounds the answers of a search that are in memory at the same time: each is about half a KiB.
const probesAtOnce = 4000

// search looks on all shards of a collection for the documents that operations name by their keys.
type search struct {
	router  *Router
	servers Servers
	req     *Request
	ops     []int               // operations of req
	probes  []dbclient.Op       // reads, one for each
	snap    *catalog.Snapshot   // the last one that was asked by, with
	coll    *catalog.Collection // the collection

	mu     sync.Mutex
	found  [][]int            // by operation: the shards that have its document
	heard  map[string]int     // by shard: how many operations it has answered
	errs   map[string]error   // of the shards that have not answered all
	answer *dbclient.OpResult // if the only operation is a read: that of the shard that has the document
}

func newSearch(d *dispatch, ops []int) *search {
	s := &search{router: d.router, servers: d.servers, req: d.req, ops: ops, found: make([][]int, len(ops)), heard: map[string]int{}, snap: d.req.Snapshot, coll: d.req.Collection}
	for _, i := range ops {
		s.probes = append(s.probes, dbclient.Op{Kind: dbclient.OpRead, Key: d.req.Ops[i].Key, IfMatch: noRevision})
	}
	if s.reads() {
		s.probes[0] = d.req.Ops[ops[0]]
	}
	return s
}

// reads says whether the search is for one document that shall be read. Then the shard that has it answers with it.
func (s *search) reads() bool {
	return len(s.req.Ops) == 1 && s.req.Ops[0].Kind == dbclient.OpRead && s.req.Bounds.Returned == 0
}

// atOnce is how many documents a shard is asked for in one request.
func (s *search) atOnce() int { return min(s.router.AtOnce, len(s.ops)) }

// run asks all shards. It asks those again that have not answered, as long as that may help: what is found on one shard is on no
// other.
func (s *search) run(ctx context.Context) error {
	tries := newRetries(s.router.Retry)
	for {
		s.askAll(ctx)
		if !s.again() || !tries.wait(ctx) {
			return nil
		}
		snap := s.router.sync(ctx)
		coll, err := snap.Find(s.req.Ref.Database, s.req.Ref.Name)
		switch {
		case err != nil:
			return err
		case snap.Epoch != s.snap.Epoch:
			return epochOver()
		case coll.ID != s.coll.ID:
			return noShard(coll, replaced)
		}
		s.snap, s.coll = snap, coll
	}
}

// again says whether there is a document that was not found, and a shard that may have it and may answer another time.
func (s *search) again() bool {
	for n, on := range s.found {
		if len(on) > 0 {
			continue
		}
		for shard, err := range s.errs {
			if s.heard[shard] <= n && retriable(err, false) {
				return true
			}
		}
	}
	return false
}

// unanswered returns a shard that has not answered whether it has the n-th document, and why: that with the lowest number.
func (s *search) unanswered(n int) (string, error) {
	for _, shard := range s.coll.ShardNames {
		if err := s.errs[shard]; err != nil && s.heard[shard] <= n {
			return shard, err
		}
	}
	return "", nil
}

// askAll asks the shards, as far as they have not answered, all at the same time.
func (s *search) askAll(ctx context.Context) {
	errs := make([]error, len(s.coll.ShardNames))
	var g errgroup.Group
	g.SetLimit(min(shardsAtOnce, max(1, probesAtOnce/s.atOnce())))
	for index := range s.coll.ShardNames {
		g.Go(func() error {
			errs[index] = s.ask(ctx, index)
			return nil
		})
	}
	_ = g.Wait() // the functions have no error
	s.errs = map[string]error{}
	for index, err := range errs {
		if err != nil {
			s.errs[s.coll.ShardNames[index]] = err
		}
	}
}

// ask asks one shard for the documents of which it has not said anything.
func (s *search) ask(ctx context.Context, index int) error {
	shard := s.coll.ShardNames[index]
	for {
		s.mu.Lock()
		from := s.heard[shard]
		s.mu.Unlock()
		if from == len(s.ops) {
			return nil
		}
		probes := s.probes[from:min(from+s.atOnce(), len(s.probes))]
		results, err := s.send(ctx, shard, probes)
		if err != nil {
			return err
		}
		if err := s.hear(index, from, results); err != nil {
			return err
		}
	}
}

func (s *search) send(ctx context.Context, shard string, probes []dbclient.Op) ([]dbclient.OpResult, error) {
	if err := s.snap.Converged(); err != nil {
		return nil, apierror.New(apierror.WrongEpoch, "%w", err)
	}
	p := pass[dbclient.DocumentsResponse]{router: s.router, servers: s.servers, snap: s.snap, coll: s.coll, call: func(ctx context.Context, servers Servers, t dbclient.Target, shard string) (dbclient.DocumentsResponse, error) {
		return servers.Documents(ctx, t, shard, dbclient.DocumentsRequest{Collection: s.coll.Name, Ops: probes})
	}}
	answer, err := p.at(ctx, shard)
	if err == nil && len(answer.Results) != len(probes) {
		err = apierror.New(apierror.ConnectionLost, "shard %s answered %d operations with %d results", shard, len(probes), len(answer.Results))
	}
	return answer.Results, err
}

// hear takes the results of a shard, up to the first that does not say whether the document is there.
func (s *search) hear(index, from int, results []dbclient.OpResult) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for n, result := range results {
		here, err := has(result)
		if err != nil {
			return err
		}
		s.heard[s.coll.ShardNames[index]]++
		if !here {
			continue
		}
		s.found[from+n] = append(s.found[from+n], index)
		if s.reads() {
			s.answer = &result
		}
	}
	return nil
}

// has says what the result of a reading operation says of its document: whether it is there, or an error if it does not say that.
func has(r dbclient.OpResult) (bool, error) {
	switch {
	case r.Error == nil, r.Error.Num == apierror.Conflict:
		return true, nil
	case errors.Is(r.Error, apierror.DocumentNotFound):
		return false, nil
	}
	return false, r.Error
}
