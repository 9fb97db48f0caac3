package restore

import (
	"slices"

	"stasis/agency/keys"
	"stasis/client/certificate"
	"stasis/coordinator/backup/topology"
	"stasis/internal/apierror"
)

// reportsOf returns Current/Collections from the commit of a restore until the leaders report:
// which replicas were in sync at the cut, and where the log ended. A server that takes over, or
// that the supervision chooses, is one of those or has heard from them. If the certificate has no
// statement about a shard (format 1, a failsafe, a backup without the global lock), its report
// names all replicas and trusts none: none leads before all have been heard.
//
// placed has, for each server of the backup, the server that takes its piece.
// apierror.BackupTopology: the only replica with every acknowledged write may be that of a server
// whose piece no server takes. Call it before place, which changes the plan.
func reportsOf(p *topology.Stored, cert *certificate.Certificate, placed map[string]string, backup string) (map[string]any, error) {
	shards, err := p.Shards()
	if err != nil {
		return nil, err
	}
	all := map[string]any{}
	for name, s := range shards {
		r := keys.CurrentShardReport{
			Indexes: []keys.Index{}, Term: s.Term, Reboots: map[string]uint64{}, Restored: &keys.RestoredShard{BackupID: backup},
		}
		members := s.Servers
		st, known := cert.Statement(name)
		if known {
			members = slices.DeleteFunc(slices.Clone(members), func(id string) bool { return !slices.Contains(st.InSync, id) })
			*r.Restored = keys.RestoredShard{BackupID: backup, Known: true, Term: st.Last.Term, Reboot: st.Last.Reboot, Seq: st.Last.Seq}
		}
		for _, id := range members {
			now, taken := placed[id]
			if !taken {
				return nil, apierror.New(apierror.BackupTopology, "%s: %s may have had the only replica with every write, and no server takes its piece", s.Label(), id)
			}
			r.Servers = append(r.Servers, now)
		}
		if len(r.Servers) == 0 {
			return nil, apierror.New(apierror.BackupTopology, "%s: none of its planned replicas %v was in sync at the cut", s.Label(), s.Servers)
		}
		r.FailoverCandidates = r.Servers
		under(under(all, s.Database), s.Collection)[name] = r
	}
	return all, nil
}
