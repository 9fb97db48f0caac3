package recovery

import (
	"fmt"

	"github.com/google/uuid"

	"stasis/agency/keys"
	"stasis/fsm"
	"stasis/internal/failpoint"
)

// IndexStep is how far the indices of an incarnation are from those of the one before, further
// than any agency writes. No index ever stands for two trees, whatever was lost, so caches and
// requests that wait for an index need no exception. 2^40 transactions are three years at 10,000
// a second.
const IndexStep = uint64(1) << 40

// MostIncarnations keeps indices exact where numbers are doubles.
const MostIncarnations = 1 << 12

// Next is the incarnation after now, or asked if that is later. asked 0 asks for none.
func Next(now keys.Origin, asked uint64) (keys.Origin, error) {
	next := now.Incarnation + 1
	if asked != 0 && asked < next {
		return keys.Origin{}, fmt.Errorf("incarnation %d is asked for, and there was incarnation %d already", asked, now.Incarnation)
	}
	if next = max(next, asked); next > MostIncarnations {
		return keys.Origin{}, fmt.Errorf("incarnation %d: there can be %d", next, MostIncarnations)
	}
	return keys.Origin{Agency: now.Agency, Incarnation: next, Founding: uuid.NewString()[:8]}, nil
}

// firstIndex is where the indices of an incarnation begin.
func firstIndex(o keys.Origin) uint64 { return (o.Incarnation - 1) * IndexStep }

// Move is the step from one incarnation to a later one. The entries that are lost between them
// are not known, but servers have acted on them: caches have seen their indices, replicas have
// promised the terms that they gave to shards, and collections, jobs and documents have the ids.
// None of these numbers comes again.
type Move struct{ From, To keys.Origin }

// tree is a tree as the later incarnation begins with it.
func (m Move) tree(s *fsm.State) *fsm.State {
	ahead := s.Ahead(firstIndex(m.To))
	if failpoint.Off("recovery-raises-terms") {
		return ahead
	}
	return ahead.Raised(given(s.Root()), (m.To.Incarnation-m.From.Incarnation)*keys.RecoveryStep)
}

// given are the paths of the numbers that must not come again: the terms of all shards, and the
// last of the cluster's ids.
func given(root *fsm.Node) []string {
	paths := []string{keys.LatestID}
	for db, collections := range root.At(keys.PlanCollections).Children() {
		for cid, collection := range collections.Children() {
			for shard := range collection.At("shardTerms").Children() {
				paths = append(paths, keys.PlanTerm(db, cid, shard))
			}
		}
	}
	return paths
}
