package restore

import (
	"fmt"
	"strings"

	agencyclient "stasis/agency/client"
	"stasis/agency/keys"
	"stasis/coordinator/backup/topology"
	"stasis/internal/failpoint"
)

// idMargin is how far the id counter must be above the dump's highest id: ids that were reserved
// between the dump and the cut may be in documents. A coordinator reserves 2^18 at once, and there may be
// many coordinators and much time. A key that is made again may be on two shards, if the collection is spread
// by other attributes: then neither document is found by it.
const idMargin = 1 << 32

// place rewrites a stored Plan for the servers that take the pieces. placed has, for each server
// of the backup, the server that takes its piece. place replaces ids in the shards' server lists
// and nowhere else, whatever other names look like. It leaves out databases and collections that
// were still being created: the requests that created them have ended.
func place(p *topology.Stored, placed map[string]string) error {
	dropBuilding(p.Databases)
	for db, value := range p.Collections {
		collections, ok := value.(map[string]any)
		if !ok {
			return fmt.Errorf("agency dump: Plan/Collections/%s is not an object", db)
		}
		if _, kept := p.Databases[db]; !kept {
			delete(p.Collections, db)
			continue
		}
		dropBuilding(collections)
		for cid, value := range collections {
			if err := placeShards(value, placed); err != nil {
				return fmt.Errorf("agency dump: Plan/Collections/%s/%s: %w", db, cid, err)
			}
		}
	}
	return nil
}

// dropBuilding removes the entries that say isBuilding.
func dropBuilding(entries map[string]any) {
	for name, value := range entries {
		if topology.Building(value) {
			delete(entries, name)
		}
	}
}

func placeShards(collection any, placed map[string]string) error {
	object, ok := collection.(map[string]any)
	if !ok {
		return fmt.Errorf("it is not an object")
	}
	shards, ok := object["shards"].(map[string]any)
	if !ok {
		return nil // a collection that shares another's placement has none
	}
	for shard, value := range shards {
		servers, ok := value.([]any)
		if !ok {
			return fmt.Errorf("shard %s has no list of servers", shard)
		}
		for i, server := range servers {
			id, _ := server.(string)
			// A leader that was about to resign when the backup was made leads again.
			id = strings.TrimPrefix(id, keys.Resigned)
			if now, mapped := placed[id]; mapped {
				id = now
			}
			servers[i] = id
		}
		if err := raiseTerm(object, shard); err != nil {
			return err
		}
	}
	return nil
}

// raiseTerm gives a shard a term that is new to all its replicas: another server may lead it now,
// and reboot ids of another cluster mean nothing in this one.
func raiseTerm(collection map[string]any, shard string) error {
	term, err := topology.Term(collection, shard)
	if err != nil {
		return err
	}
	under(collection, "shardTerms")[shard] = term + 1
	return nil
}

// under returns the object below a key. It makes the object if it is missing.
func under(object map[string]any, key string) map[string]any {
	below, ok := object[key].(map[string]any)
	if !ok {
		below = map[string]any{}
		object[key] = below
	}
	return below
}

// transaction is the commit of a restore, without the precondition of the lock. It changes
// together what must change together: Plan, Current until the leaders report, and the epoch
// that tells every server to swap its engine. Versions and ids only rise.
func transaction(p *topology.Stored, reports map[string]any, was *topology.Cluster, record keys.Restore) agencyclient.Tx {
	if reports == nil {
		reports = map[string]any{}
	}
	ops := map[string]any{
		keys.PlanDatabases:       agencyclient.Set(p.Databases),
		keys.PlanCollections:     agencyclient.Set(p.Collections),
		keys.Plan + "/Views":     agencyclient.Set(p.Views),
		keys.Plan + "/Analyzers": agencyclient.Set(p.Analyzers),
		keys.PlanVersion:         agencyclient.Increment(1),
		keys.CurrentDatabases:    agencyclient.Set(map[string]any{}),
		keys.CurrentCollections:  agencyclient.Set(reports),
		keys.CurrentVersion:      agencyclient.Increment(1),
		keys.RestoreEpoch:        agencyclient.Set(record.Epoch),
		keys.HotBackupRestore:    agencyclient.Set(record),
	}
	if above := p.LatestID + idMargin; above > was.LatestID {
		// Others reserve ids meanwhile: an increment cannot take any of them back.
		ops[keys.LatestID] = agencyclient.Increment(int64(above - was.LatestID))
	}
	epoch := agencyclient.OldEmpty(true)
	if was.EpochStored {
		epoch = agencyclient.Old(was.Epoch)
	}
	pre := map[string]any{keys.HotBackupNonce: agencyclient.Old(record.Nonce), keys.RestoreEpoch: epoch}
	if failpoint.Off("restore-requires-epoch") {
		delete(pre, keys.RestoreEpoch)
	}
	return agencyclient.Tx{Ops: ops, Pre: pre}
}
