package agency

import (
	"stasis/agency/keys"
	"stasis/fsm"
	"stasis/internal/failpoint"
)

// moved is the step from one incarnation to a later one. The entries that are lost between
// them are not known, but they have been obeyed: caches have seen their indices, and
// replicas have promised the terms that they gave to shards. Neither comes again.
type moved struct{ from, to keys.Origin }

// tree is a tree as the later incarnation begins with it.
func (m moved) tree(s *fsm.State) *fsm.State {
	ahead := s.Ahead(firstIndex(m.to))
	if failpoint.Off("recovery-raises-terms") {
		return ahead
	}
	return ahead.Raised(terms(s.Root()), (m.to.Incarnation-m.from.Incarnation)*keys.TermStep)
}

// terms are the paths of all shards' terms.
func terms(root *fsm.Node) (paths []string) {
	for db, collections := range root.At(keys.PlanCollections).Children() {
		for cid, collection := range collections.Children() {
			for shard := range collection.At("shardTerms").Children() {
				paths = append(paths, keys.PlanTerm(db, cid, shard))
			}
		}
	}
	return paths
}
