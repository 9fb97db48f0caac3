package route

import (
	"context"
	"slices"

	"stasis/coordinator/catalog"
	"stasis/internal/apierror"
	"stasis/internal/failpoint"
)

// place says where the documents of the request are. Those that are named by their keys alone are looked for on all shards. It
// changes nothing, so an operation is sent to one shard at most, and only there its outcome can be unknown.
func (d *dispatch) place(ctx context.Context) error {
	n := len(d.req.Collection.ShardNames)
	d.places = &places{index: make([]int, len(d.req.Ops))}
	var named []int
	for i, spot := range d.req.Spots {
		index, known := spot.Index(n)
		if d.places.index[i] = index; !known {
			named = append(named, i)
		}
	}
	if len(named) == 0 {
		return nil
	}
	s := newSearch(d, named)
	if err := s.run(ctx); err != nil {
		return err
	}
	d.req.Pinned = d.req.Pinned || !failpoint.Off("found-in-one-epoch") // a restore may put a document on another shard
	for n, i := range named {
		d.settle(s, n, i)
	}
	return nil
}

// settle takes over what the search has found out about operation i, its n-th.
func (d *dispatch) settle(s *search, n, i int) {
	key := d.req.Ops[i].Key
	switch on := slices.Sorted(slices.Values(s.found[n])); {
	case len(on) == 1 && s.answer == nil, len(on) > 0 && failpoint.Off("one-shard-has-a-document"):
		d.places.index[i] = on[0]
		return
	case len(on) == 1:
		d.results[i] = *s.answer
	case len(on) > 1:
		d.results[i].Error = apierror.New(apierror.ContradictingAnswers, "got contradicting answers from different shards: %s and %s both have document %q, and nothing was done",
			s.coll.ShardNames[on[0]], s.coll.ShardNames[on[1]], key)
	default:
		if shard, err := s.unanswered(n); err != nil && !failpoint.Off("silent-shard-may-have-it") {
			d.results[i].Error = unasked(shard, err, d.isWrite(i))
			d.synced = d.synced && !d.isWrite(i)
			d.block(s, i)
			break
		}
		d.results[i].Error = apierror.New(apierror.DocumentNotFound, "document %q not found", key)
	}
	d.results[i].Key = key
	d.places.index[i] = done
}

// block keeps what follows operation i from overtaking it on the shards that have not answered.
func (d *dispatch) block(s *search, i int) {
	if d.places.silent != nil {
		return
	}
	d.places.first, d.places.silent = i, map[string]bool{}
	for shard := range s.errs {
		d.places.silent[shard] = true
	}
}

// stillPlaced says whether the operations of the request belong on the same shards of a later snapshot's collection.
func (d *dispatch) stillPlaced(now *catalog.Collection) error {
	// A restored backup of another cluster may give the same id to a collection with other shards.
	if was := d.req.Collection; d.places != nil && (now.ID != was.ID || !slices.Equal(now.ShardNames, was.ShardNames)) {
		return noShard(now, replaced)
	}
	return sharedOut(d.req.Collection, now)
}

// sharedOut says whether documents are spread over the shards of two collections in the same way.
func sharedOut(old, now *catalog.Collection) error {
	if len(now.ShardNames) == 0 {
		return noShard(now, "it has no shards")
	}
	if !slices.Equal(old.ShardKeys, now.ShardKeys) && !failpoint.Off("spread-as-before") {
		return noShard(now, replaced)
	}
	return nil
}
