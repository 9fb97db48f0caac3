package catalog

import (
	"context"
	"fmt"
	"slices"

	"stasis/agency/keys"
)

// Report is what the leader of a shard last reported to Current, if any has, or what a
// restore wrote in its place.
func (v *View) Report(db, cid, shard string) (keys.CurrentShardReport, bool) {
	var r keys.CurrentShardReport
	node := v.root.At(keys.CurrentShard(db, cid, shard))
	if !node.Exists() || node.Decode(&r) != nil {
		return keys.CurrentShardReport{}, false
	}
	return r, true
}

// Led says whether every shard of a collection is led by its planned leader, in the
// planned term.
func (v *View) Led(coll *Collection) bool {
	led, err := v.led(coll)
	return led && err == nil
}

// InSync says whether all planned replicas of a collection are in sync.
func (v *View) InSync(coll *Collection) bool {
	for _, shard := range coll.ShardNames {
		r, _ := v.Report(coll.Database, coll.ID, shard)
		for _, server := range coll.Shards[shard] {
			if !inSync(r, server) {
				return false
			}
		}
	}
	return true
}

// inSync says whether a leader has reported the server as in sync: what a restore writes
// says only who was, at the cut.
func inSync(r keys.CurrentShardReport, server string) bool {
	return r.Restored == nil && slices.Contains(r.Servers, server)
}

// led says whether every shard is led by its planned leader, in the planned term.
// Of a collection that is gone nothing is.
func (v *View) led(coll *Collection) (bool, error) {
	if coll == nil {
		return false, nil
	}
	for _, shard := range coll.ShardNames {
		servers := coll.Shards[shard]
		r, ok := v.Report(coll.Database, coll.ID, shard)
		switch {
		case !ok, r.Restored != nil, len(servers) == 0:
			return false, nil
		case r.Error:
			return false, reportError(r.ErrorNum, r.ErrorMessage, fmt.Sprintf("shard %s on %s", shard, servers[0]))
		case len(r.Servers) == 0 || r.Servers[0] != servers[0] || r.Term != coll.ShardTerms[shard]:
			return false, nil
		}
	}
	return true, nil
}

// settled says whether all planned replicas of every shard are in sync, except those
// on DB servers that are not in good health.
func (v *View) settled(coll *Collection) bool {
	for _, shard := range coll.ShardNames {
		r, _ := v.Report(coll.Database, coll.ID, shard)
		for _, server := range coll.Shards[shard] {
			if h, known := v.Health(server); known && h.Status != keys.StatusGood {
				continue
			}
			if !inSync(r, server) {
				return false
			}
		}
	}
	return true
}

// awaitInSync waits until the replicas of a collection are in sync, for a bounded
// time: that they are late is no error.
func (c *Catalog) awaitInSync(ctx context.Context, db, id string) {
	ctx, cancel := context.WithTimeout(ctx, c.deps.Sync)
	defer cancel()
	_, err := c.Await(ctx, func(v *View) bool {
		coll := v.dir.byID[db][id]
		return coll == nil || v.settled(coll)
	})
	if err != nil {
		c.deps.Logger.Warn("followers of a new collection are not in sync yet", "database", db, "collection", id, "waited", c.deps.Sync)
	}
}
