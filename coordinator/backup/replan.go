package backup

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"

	agency "stasis/agency/client"
	"stasis/agency/keys"
	"stasis/internal/failpoint"
)

// resigned marks a leader that was about to give up its shard when the backup was
// made. Nobody waits for that any more after a restore.
const resigned = "_"

// idMargin is how far above the dump's highest id the counter goes at least: ids
// that were reserved between the dump and the cut may be in documents.
const idMargin = 1_000_000

// storedPlan is the part of an agency dump that a restore puts back.
type storedPlan struct {
	DBServers []string
	LatestID  uint64

	databases   map[string]any
	collections map[string]any
	views       map[string]any
	analyzers   map[string]any

	current map[string]any // Current/Collections until leaders report; see reports
}

// parseDump reads [{"arango":{"Plan":{…},"Sync":{"LatestID":n}}}]. Numbers are
// kept as they are written. What a backup from another version lacks is empty.
func parseDump(raw json.RawMessage) (*storedPlan, error) {
	var dump []struct {
		Arango struct {
			Plan map[string]json.RawMessage `json:"Plan"`
			Sync struct {
				LatestID uint64 `json:"LatestID"`
			} `json:"Sync"`
		} `json:"arango"`
	}
	if err := json.Unmarshal(raw, &dump); err != nil {
		return nil, fmt.Errorf("read agency dump: %w", err)
	}
	if len(dump) != 1 || dump[0].Arango.Plan == nil {
		return nil, fmt.Errorf("read agency dump: there is no Plan in it")
	}
	arango := dump[0].Arango
	plan := &storedPlan{LatestID: arango.Sync.LatestID}
	servers := map[string]any{}
	for name, into := range map[string]*map[string]any{
		"Databases": &plan.databases, "Collections": &plan.collections,
		"Views": &plan.views, "Analyzers": &plan.analyzers, "DBServers": &servers,
	} {
		if err := decodeObject(arango.Plan[name], into); err != nil {
			return nil, fmt.Errorf("read agency dump: Plan/%s: %w", name, err)
		}
	}
	for id := range servers {
		plan.DBServers = append(plan.DBServers, id)
	}
	return plan, nil
}

func decodeObject(raw json.RawMessage, into *map[string]any) error {
	*into = map[string]any{}
	if len(raw) == 0 {
		return nil
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	if err := d.Decode(into); err != nil {
		return err
	}
	if *into == nil {
		*into = map[string]any{}
	}
	return nil
}

// forServers rewrites the plan for the servers that take the pieces: placed says
// who now holds what a server held. Ids are replaced where a server stands, in
// the shards' server lists, and nowhere else, whatever a name may look like.
// Databases and collections that were only being built are left out: whoever was
// building them is not any more.
func (p *storedPlan) forServers(placed map[string]string) error {
	dropBuilding(p.databases)
	for db, value := range p.collections {
		collections, ok := value.(map[string]any)
		if !ok {
			return fmt.Errorf("agency dump: Plan/Collections/%s is no object", db)
		}
		if _, kept := p.databases[db]; !kept {
			delete(p.collections, db)
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
		if building(value) {
			delete(entries, name)
		}
	}
}

func placeShards(collection any, placed map[string]string) error {
	object, ok := collection.(map[string]any)
	if !ok {
		return fmt.Errorf("is no object")
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
			id = strings.TrimPrefix(id, resigned)
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

// raiseTerm gives a shard another term than any that its replicas have heard of: the
// server that leads it now may be another one, and reboot ids of another cluster mean
// nothing in this one.
func raiseTerm(collection map[string]any, shard string) error {
	term, err := termOf(collection, shard)
	if err != nil {
		return err
	}
	under(collection, "shardTerms")[shard] = term + 1
	return nil
}

// switchPlan is the commit transaction of a restore. Everything that must change
// together does: what should be, what is known of it before a leader has reported, and the
// epoch that tells every server to swap its engine. Versions and ids only rise.
func (p *storedPlan) switchPlan(was *cluster, record keys.Restore) agency.Tx {
	current := p.current
	if current == nil {
		current = map[string]any{}
	}
	ops := map[string]any{
		keys.PlanDatabases:       agency.Set(p.databases),
		keys.PlanCollections:     agency.Set(p.collections),
		keys.Plan + "/Views":     agency.Set(p.views),
		keys.Plan + "/Analyzers": agency.Set(p.analyzers),
		keys.PlanVersion:         agency.Increment(1),
		keys.CurrentDatabases:    agency.Set(map[string]any{}),
		keys.CurrentCollections:  agency.Set(current),
		keys.CurrentVersion:      agency.Increment(1),
		keys.RestoreEpoch:        agency.Set(record.Epoch),
		keys.HotBackupRestore:    agency.Set(record),
	}
	if above := p.LatestID + idMargin; above > was.latestID {
		// Others reserve ids meanwhile: a step forward cannot take any of them back.
		ops[keys.LatestID] = agency.Increment(int64(above - was.latestID))
	}
	epoch := agency.OldEmpty(true)
	if was.epochStored {
		epoch = agency.Old(was.epoch)
	}
	pre := map[string]any{keys.HotBackupNonce: agency.Old(record.Nonce), keys.RestoreEpoch: epoch}
	if failpoint.Off("restore-requires-epoch") {
		delete(pre, keys.RestoreEpoch)
	}
	return agency.Tx{Ops: ops, Pre: pre}
}
