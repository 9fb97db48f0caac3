package topology

import (
	"bytes"
	"encoding/json"
	"fmt"

	agencyclient "stasis/agency/client"
	dbclient "stasis/dbserver/client"
)

// Dump returns the agency dump that is stored with every piece.
func (c *Cluster) Dump() (dbclient.AgencyDump, error) {
	type sync struct {
		LatestID uint64 `json:"LatestID"`
	}
	type arango struct {
		Plan *agencyclient.Node `json:"Plan"`
		Sync sync               `json:"Sync"`
	}
	raw, err := json.Marshal([]map[string]arango{{"arango": {c.plan, sync{c.LatestID}}}})
	if err != nil {
		return dbclient.AgencyDump{}, fmt.Errorf("encode Plan: %w", err)
	}
	return dbclient.AgencyDump{ClusterID: c.UUID, Index: c.Index, Term: c.Term, Dump: raw}, nil
}

// Stored is the part of an agency dump that a restore puts back. Its maps are JSON with numbers as
// they were written (json.Number).
type Stored struct {
	DBServers []string
	LatestID  uint64

	Databases   map[string]any
	Collections map[string]any // by database, then by id
	Views       map[string]any
	Analyzers   map[string]any
}

// ParseDump reads [{"arango":{"Plan":{…},"Sync":{"LatestID":n}}}]. What a backup of another
// version lacks is empty.
func ParseDump(raw json.RawMessage) (*Stored, error) {
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
	stored := &Stored{LatestID: arango.Sync.LatestID}
	servers := map[string]any{}
	for name, into := range map[string]*map[string]any{
		"Databases": &stored.Databases, "Collections": &stored.Collections,
		"Views": &stored.Views, "Analyzers": &stored.Analyzers, "DBServers": &servers,
	} {
		if err := decodeObject(arango.Plan[name], into); err != nil {
			return nil, fmt.Errorf("read agency dump: Plan/%s: %w", name, err)
		}
	}
	for id := range servers {
		stored.DBServers = append(stored.DBServers, id)
	}
	return stored, nil
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
