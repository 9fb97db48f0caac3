package agency

import (
	"stasis/agency/keys"
	"stasis/fsm"
	"stasis/internal/failpoint"
)

// moved is the step from one incarnation to a later one. The entries that are lost between
// them are not known, but they have been obeyed: caches have seen their indices, replicas have
// promised the terms that they gave to shards, and collections, jobs and documents have the
// ids. None of these comes again.
type moved struct{ from, to keys.Origin }

// tree is a tree as the later incarnation begins with it.
func (m moved) tree(s *fsm.State) *fsm.State {
	ahead := s.Ahead(firstIndex(m.to))
	if failpoint.Off("recovery-raises-terms") {
		return ahead
	}
	return ahead.Raised(given(s.Root()), (m.to.Incarnation-m.from.Incarnation)*keys.RecoveryStep)
}

// given are the paths of the numbers that may not come again: all shards' terms, and the last
// of the cluster's ids.
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
