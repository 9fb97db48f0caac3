package replica

import (
	"context"
	"fmt"
	"slices"
	"strings"

	agencyclient "stasis/agency/client"
	"stasis/agency/keys"
	"stasis/dbserver/shard"
	"stasis/internal/failpoint"
)

// situation is what the agency says of the shard.
type situation struct {
	root   *agencyclient.Node
	node   *agencyclient.Node // Current's report
	report keys.CurrentShardReport
	exists bool
	lost   bool // the agency was recovered since the report: later reports may be lost
}

// certified is where all logs end that were in sync at the cut, after a restore that
// knows it and before a leader has reported.
func (at situation) certified() (p shard.Position, known bool) {
	r := at.report.Restored
	if !at.exists || r == nil || !r.Known {
		return p, false
	}
	return shard.Position{Tenure: shard.Tenure{Term: r.Term, Reboot: r.Reboot}, Seq: r.Seq}, true
}

// whole says whether a replica of which the report is sure is what the report means.
func (at situation) whole(last shard.Position, copying bool) bool {
	p, certified := at.certified()
	return !copying && (!certified || last == p)
}

// trusts says whether a server is sure to have every acknowledged record.
func (at situation) trusts(id string, reboot uint64) bool {
	return at.exists && !at.lost && at.report.Trusts(id, reboot)
}

// failed says whether the supervision has given a server up.
func (at situation) failed(id string) bool { return hasFailed(at.root, id) }

func hasFailed(root *agencyclient.Node, id string) bool {
	return root.At(keys.Health+"/"+id+"/Status").Text() == "FAILED"
}

// look reads what the agency says, at least as new as the call. errReplaced if this
// tenure is none any more.
func (l *Leader) look(ctx context.Context) (situation, error) {
	ctx, cancel := context.WithTimeout(ctx, l.server.Timing.Agency)
	defer cancel()
	snap, err := l.server.Cache.Sync(ctx)
	if err != nil {
		return situation{}, err
	}
	return l.see(snap.Root)
}

func (l *Leader) see(root *agencyclient.Node) (situation, error) {
	l.mu.Lock()
	p := l.place
	l.mu.Unlock()
	plan := root.At(p.planKey())
	var servers []string
	term, _ := plan.At("shardTerms/" + p.Shard).Int()
	if plan.At("shards/"+p.Shard).Decode(&servers) != nil || (Place{Servers: servers}).Leader() != l.server.ID || uint64(term) != l.tenure.Term {
		return situation{}, errReplaced
	}
	if epoch, _ := root.At(keys.RestoreEpoch).Int(); uint64(epoch) != l.server.Epoch {
		return situation{}, fmt.Errorf("%w: a restore has come between", errReplaced)
	}
	at := situation{root: root, node: root.At(p.currentKey())}
	at.exists = at.node.Exists() && at.node.Decode(&at.report) == nil
	at.lost = l.isLost(at)
	p.Servers = servers
	l.Update(p)
	return at, nil
}

// isLost says that the report is from before a recovery of the agency. One that a restore
// has written says where all logs end, which what was lost does not change: a leader whose
// log has gone on from there finds that out.
func (l *Leader) isLost(at situation) bool {
	before := at.exists && at.report.Restored == nil && at.report.Term+keys.RecoveryStep <= l.tenure.Term
	return before && !failpoint.Off("report-before-recovery")
}

// members are the servers that may have acknowledged records, without this one.
func (l *Leader) members(at situation) []string {
	l.mu.Lock()
	servers := l.place.Servers
	l.mu.Unlock()
	switch {
	case at.lost: // who took part in a tenure that is lost is not known
		servers = append(slices.Clone(at.report.Servers), servers...)
	case at.exists:
		servers = at.report.Servers
	}
	var others []string
	for _, s := range servers {
		if s = strings.TrimPrefix(s, keys.Resigned); s != l.server.ID && !slices.Contains(others, s) {
			others = append(others, s)
		}
	}
	return others
}
