package replica

import (
	"slices"
	"strings"

	agencyclient "stasis/agency/client"
	"stasis/agency/keys"
	"stasis/dbserver/shard"
)

// Place is what Plan says of a shard.
type Place struct {
	Database, Collection string // the collection's id
	Shard                string
	Term                 uint64
	Servers              []string // as in Plan, leader first, a resigned one with its mark
	WriteConcern         int
	Indexes              []keys.Index
	Building             bool // the collection has never been served
}

// resigned says whether Plan wants the leader to stop.
func (p Place) resigned() bool {
	return len(p.Servers) > 0 && strings.HasPrefix(p.Servers[0], keys.Resigned)
}

// Leader is the planned leader, resigned or not.
func (p Place) Leader() string {
	if len(p.Servers) == 0 {
		return ""
	}
	return strings.TrimPrefix(p.Servers[0], keys.Resigned)
}

func (p Place) followers() []string {
	if len(p.Servers) == 0 {
		return nil
	}
	return p.Servers[1:]
}

func (p Place) planKey() string { return keys.PlanCollection(p.Database, p.Collection) }

func (p Place) currentKey() string { return keys.CurrentShard(p.Database, p.Collection, p.Shard) }

// same says whether nothing differs that a leader goes by.
func (p Place) same(o Place) bool {
	return p.Term == o.Term && p.WriteConcern == o.WriteConcern && slices.Equal(p.Servers, o.Servers) && p.Building == o.Building
}

// plannedTenure is the tenure that Plan has for a shard of a collection; false if it has no
// such shard.
func plannedTenure(root, collection *agencyclient.Node, name string) (t shard.Tenure, p Place, found bool) {
	if collection.At("shards/"+name).Decode(&p.Servers) != nil || len(p.Servers) == 0 {
		return t, p, false
	}
	term, _ := collection.At("shardTerms/" + name).Int()
	reboot, _ := root.At(keys.ServerKnown(p.Leader()) + "/rebootId").Int()
	return shard.Tenure{Term: uint64(max(term, 0)), Reboot: uint64(max(reboot, 0))}, p, true
}
