package topology

import (
	"cmp"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"stasis/agency/keys"
	"stasis/client/certificate"
)

// Shard is a shard in the Plan of a backup. Its servers are without the mark of a
// leader that resigns.
type Shard = certificate.Shard

// Shards returns the shards that a restore puts back, by name. It leaves out those of databases
// and collections that were still being created.
func (p *Stored) Shards() (map[string]Shard, error) {
	all := map[string]Shard{}
	for db, value := range p.Collections {
		if entry, there := p.Databases[db]; !there || Building(entry) {
			continue
		}
		collections, ok := value.(map[string]any)
		if !ok {
			return nil, fmt.Errorf("agency dump: Plan/Collections/%s is not an object", db)
		}
		for cid, value := range collections {
			object, ok := value.(map[string]any)
			if !ok {
				return nil, fmt.Errorf("agency dump: Plan/Collections/%s/%s is not an object", db, cid)
			}
			if Building(value) {
				continue
			}
			if err := addShards(all, db, cid, object); err != nil {
				return nil, fmt.Errorf("agency dump: Plan/Collections/%s/%s: %w", db, cid, err)
			}
		}
	}
	return all, nil
}

// Building says whether the entry of a database or collection says isBuilding.
func Building(entry any) bool {
	object, ok := entry.(map[string]any)
	return ok && object["isBuilding"] == true
}

func addShards(all map[string]Shard, db, cid string, collection map[string]any) error {
	shards, _ := collection["shards"].(map[string]any)
	for name, value := range shards {
		servers, ok := value.([]any)
		if !ok {
			return fmt.Errorf("shard %s has no list of servers", name)
		}
		s := Shard{Database: db, Collection: cid, Name: name}
		for _, server := range servers {
			id, _ := server.(string)
			s.Servers = append(s.Servers, strings.TrimPrefix(id, keys.Resigned))
		}
		var err error
		if s.Term, err = Term(collection, name); err != nil {
			return err
		}
		if len(s.Servers) > 0 {
			all[name] = s
		}
	}
	return nil
}

// Term returns the term of a shard of a stored collection, 0 if the collection has none for it.
func Term(collection map[string]any, shard string) (uint64, error) {
	terms, _ := collection["shardTerms"].(map[string]any)
	number, _ := terms[shard].(json.Number)
	term, err := strconv.ParseUint(cmp.Or(number.String(), "0"), 10, 63)
	if err != nil {
		return 0, fmt.Errorf("term of shard %s: %w", shard, err)
	}
	return term, nil
}
