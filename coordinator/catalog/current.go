package catalog

import (
	"fmt"
	"slices"
	"strings"

	"stasis/agency/keys"
)

// Report is the last report of a shard's leader in Current, or what a restore wrote in its
// place.
func (snap *Snapshot) Report(db, cid, shard string) (keys.CurrentShardReport, bool) {
	var r keys.CurrentShardReport
	node := snap.root.At(keys.CurrentShard(db, cid, shard))
	if !node.Exists() || node.Decode(&r) != nil {
		return keys.CurrentShardReport{}, false
	}
	return r, true
}

// Led says whether every shard of a collection is led by its planned leader, in the planned
// term.
func (snap *Snapshot) Led(coll *Collection) bool {
	led, err := snap.led(coll)
	return led && err == nil
}

// InSync says whether all planned replicas of a collection are in sync.
func (snap *Snapshot) InSync(coll *Collection) bool {
	return snap.inSyncBut(coll, func(string) bool { return false })
}

// healthyInSync is InSync without the replicas on DB servers that are not in good health.
func (snap *Snapshot) healthyInSync(coll *Collection) bool {
	return snap.inSyncBut(coll, func(server string) bool {
		h, known := snap.Health(server)
		return known && h.Status != keys.StatusGood
	})
}

func (snap *Snapshot) inSyncBut(coll *Collection, except func(server string) bool) bool {
	for _, shard := range coll.ShardNames {
		r, _ := snap.Report(coll.Database, coll.ID, shard)
		for _, server := range coll.Shards[shard] {
			if !except(server) && !inSync(r, server) {
				return false
			}
		}
	}
	return true
}

// inSync says whether a leader has reported the server as in sync. What a restore writes
// says only which servers were in sync at the cut.
func inSync(r keys.CurrentShardReport, server string) bool {
	return r.Restored == nil && slices.Contains(r.Servers, server)
}

// led is Led, with the error that a leader reported. A collection that does not exist any
// more (nil) is not led.
func (snap *Snapshot) led(coll *Collection) (bool, error) {
	if coll == nil {
		return false, nil
	}
	for _, shard := range coll.ShardNames {
		servers := coll.Shards[shard]
		r, ok := snap.Report(coll.Database, coll.ID, shard)
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

// databaseReported says whether every DB server that has not failed knows the database.
func (snap *Snapshot) databaseReported(name, id string) (bool, error) {
	for _, server := range snap.DBServers() {
		var r keys.CurrentDatabaseReport
		err := snap.root.At(keys.CurrentDatabase(name, server)).Decode(&r)
		switch {
		case err == nil && r.ID == id && r.Error:
			return false, reportError(r.ErrorNum, r.ErrorMessage, server)
		case err == nil && r.ID == id, snap.Failed(server):
		default:
			return false, nil
		}
	}
	return true, nil
}

// reportError is the error that a DB server reported when it should create something.
func reportError(num int, message, where string) error {
	return fmt.Errorf("%s: error %d: %s", where, num, message)
}

// UsedBy returns a shard that has a server in Plan, or in sync by Current, and which of the
// two; "" if there is none.
func (snap *Snapshot) UsedBy(server string) (shard, where string) {
	is := func(s string) bool { return strings.TrimPrefix(s, keys.Resigned) == server }
	for db, collections := range snap.dir.byID {
		for id, coll := range collections {
			for _, shard := range coll.ShardNames {
				if slices.ContainsFunc(coll.Shards[shard], is) {
					return shard, "Plan"
				}
				if r, ok := snap.Report(db, id, shard); ok && slices.ContainsFunc(r.Servers, is) {
					return shard, "Current"
				}
			}
		}
	}
	return "", ""
}
