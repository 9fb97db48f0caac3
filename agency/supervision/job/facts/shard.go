package facts

import (
	"slices"

	agencyclient "stasis/agency/client"
	"stasis/agency/keys"
	"stasis/fsm"
	"stasis/internal/failpoint"
)

// Shard is one shard as Plan and Current have it. It is shared by the snapshots of several
// trees and never changes.
type Shard struct {
	DB, CID, Name string
	Collection    string // name
	Building      bool   // the creation of the collection has not ended
	Factor        int    // wanted replicas

	Servers  []string                 // by Plan, leader first, without the mark of a resigned leader
	Resigned bool                     // the leader is to stop leading
	Term     int64                    // by Plan
	Report   *keys.CurrentShardReport // nil: no leader has reported
	InSync   []string                 // the in-sync set of the report, without the mark

	PlanNode, TermNode, ReportNode *fsm.Node // from which Servers, Term and Report were read
}

// Leader is the planned leader.
func (s *Shard) Leader() string { return s.Servers[0] }

// Followers are the planned followers.
func (s *Shard) Followers() []string { return s.Servers[1:] }

// On says that a replica is planned on the server.
func (s *Shard) On(server string) bool { return slices.Contains(s.Servers, server) }

// FollowedBy says that a follower is planned on the server.
func (s *Shard) FollowedBy(server string) bool { return slices.Contains(s.Followers(), server) }

// CountsInSync says that the server is in the in-sync set of the report. It may have been
// started since: see [Snapshot.Trusted].
func (s *Shard) CountsInSync(server string) bool { return slices.Contains(s.InSync, server) }

// Label names the shard for people.
func (s *Shard) Label() string { return s.Name + " of " + s.DB + "/" + s.Collection }

// LockKey is the agency key at which one job has the shard to itself.
func (s *Shard) LockKey() string { return keys.ShardLocks + "/" + s.Name }

// Serves says that the planned leader has reported, in the planned term, that it serves.
func (s *Shard) Serves() bool { return s.reportedBy(s.Leader()) }

// Stopped says that the planned leader has reported, in the planned term, that it leads no
// longer.
func (s *Shard) Stopped() bool { return s.reportedBy(keys.Resigned + s.Leader()) }

func (s *Shard) reportedBy(leader string) bool {
	return s.Report != nil && int64(s.Report.Term) == s.Term &&
		len(s.Report.Servers) > 0 && s.Report.Servers[0] == leader
}

// Marked is the planned servers as Plan has them: with the mark of a resigned leader.
func (s *Shard) Marked() []string {
	servers := slices.Clone(s.Servers)
	if s.Resigned {
		servers[0] = keys.Resigned + servers[0]
	}
	return servers
}

// Without is the planned servers without one.
func (s *Shard) Without(server string) []string { return without(s.Servers, server) }

// LedBy is the planned servers in their order after a change of leader: the next leader, the
// other followers, the last leader.
func (s *Shard) LedBy(next string) []string {
	return append(append([]string{next}, without(s.Followers(), next)...), s.Leader())
}

func without(list []string, id string) []string {
	return slices.DeleteFunc(slices.Clone(list), func(other string) bool { return other == id })
}

// Change replaces the planned servers, and the term if it is another one. It requires that
// both are as they were read.
func (s *Shard) Change(tx *agencyclient.Tx, servers []string, term int64) {
	s.RequirePlan(tx)
	if failpoint.Off("plan-as-it-was-read") {
		delete(tx.Pre, s.planKey())
	}
	tx.Ops[s.planKey()] = servers
	tx.Ops[keys.PlanVersion] = agencyclient.Increment(1)
	if term != s.Term && !failpoint.Off("term-is-raised") {
		tx.Ops[s.termKey()] = term
	}
}

// RequirePlan is the precondition that the planned servers and the term are as they were read.
func (s *Shard) RequirePlan(tx *agencyclient.Tx) {
	tx.Pre[s.planKey()] = agencyclient.Exactly(s.PlanNode)
	tx.Pre[s.termKey()] = agencyclient.Exactly(s.TermNode)
}

// RequireReport is the precondition that the report is as it was read.
func (s *Shard) RequireReport(tx *agencyclient.Tx) {
	if !failpoint.Off("successor-by-report") {
		tx.Pre[keys.CurrentShard(s.DB, s.CID, s.Name)] = agencyclient.Exactly(s.ReportNode)
	}
}

// RequireUnlocked is the precondition that no job has the shard to itself.
func (s *Shard) RequireUnlocked(tx *agencyclient.Tx) {
	tx.Pre[s.LockKey()] = agencyclient.OldEmpty(true)
}

func (s *Shard) planKey() string { return keys.PlanShard(s.DB, s.CID, s.Name) }
func (s *Shard) termKey() string { return keys.PlanTerm(s.DB, s.CID, s.Name) }
