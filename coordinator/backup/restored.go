package backup

import (
	"slices"

	"stasis/agency/keys"
	dbserver "stasis/dbserver/client"
	"stasis/internal/apierror"
)

// reports is what Current says of the shards from the commit of a restore until their leaders
// report: who was in sync at the cut, and where the log ended. So a server that takes over, or
// that the supervision chooses, is one of those, or has heard them. A shard of which the
// certificate says nothing (format 1, a failsafe, a backup without the global lock) has all
// its replicas named, and none of them is trusted: none leads before all have been heard.
//
// placed says who now holds what a server held. A shard is refused if a server has no
// piece whose replica may be the only one with every acknowledged write. Called before forServers.
func (p *storedPlan) reports(cert *Certificate, placed map[string]string, backup string) (map[string]any, error) {
	shards, err := p.shards()
	if err != nil {
		return nil, err
	}
	all := map[string]any{}
	for name, s := range shards {
		r := keys.CurrentShardReport{
			Indexes: []keys.Index{}, Term: s.term, Reboots: map[string]uint64{}, Restored: &keys.RestoredShard{BackupID: backup},
		}
		members := s.servers
		st, known := cert.statement(name)
		if known {
			members = slices.DeleteFunc(slices.Clone(members), func(id string) bool { return !slices.Contains(st.InSync, id) })
			*r.Restored = keys.RestoredShard{BackupID: backup, Known: true, Term: st.Last.Term, Reboot: st.Last.Reboot, Seq: st.Last.Seq}
		}
		for _, id := range members {
			now, taken := placed[id]
			if !taken {
				return nil, apierror.New(apierror.BackupTopology, "%s: %s may have had the only replica with every write, and no server takes its piece", s.label(), id)
			}
			r.Servers = append(r.Servers, now)
		}
		if len(r.Servers) == 0 {
			return nil, apierror.New(apierror.BackupTopology, "%s: none of its planned replicas %v was in sync at the cut", s.label(), s.servers)
		}
		r.FailoverCandidates = r.Servers
		under(under(all, s.db), s.cid)[name] = r
	}
	return all, nil
}

// under is the object below a key, made if it is missing.
func under(object map[string]any, key string) map[string]any {
	below, ok := object[key].(map[string]any)
	if !ok {
		below = map[string]any{}
		object[key] = below
	}
	return below
}

// statement is what was certified of a shard. Without a certificate nothing was.
func (c *Certificate) statement(shard string) (st dbserver.ShardStatement, known bool) {
	if c == nil {
		return st, false
	}
	st, known = c.Shards[shard]
	return st, known
}

// statementsFor are those of the shards that a server had by Plan.
func (c *Certificate) statementsFor(server string, planned map[string]plannedShard) []dbserver.ShardStatement {
	if c == nil {
		return nil
	}
	var out []dbserver.ShardStatement
	for _, st := range listed(c.Shards) {
		if slices.Contains(planned[st.Shard].servers, server) {
			out = append(out, st)
		}
	}
	return out
}
