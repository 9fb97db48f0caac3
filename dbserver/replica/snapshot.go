package replica

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	agencyclient "stasis/agency/client"
	"stasis/agency/keys"
	"stasis/dbserver/shard"
	"stasis/internal/failpoint"
)

// errReplaced ends a tenure: Plan has another leader, another term, or no such shard.
var errReplaced = errors.New("another leader or term is planned")

// snapshot is what the agency's tree has of the shard at one index, while Plan has this
// tenure.
type snapshot struct {
	root   *agencyclient.Node
	node   *agencyclient.Node // Current's report
	report keys.CurrentShardReport
	exists bool
	lost   bool // the agency was recovered since the report: later reports may be lost
}

// certified is where all logs end that were in sync at the cut. It is known after a restore
// of a backup that says it, until a leader has reported.
func (at snapshot) certified() (p shard.Position, known bool) {
	r := at.report.Restored
	if !at.exists || r == nil || !r.Known {
		return p, false
	}
	return shard.Position{Tenure: shard.Tenure{Term: r.Term, Reboot: r.Reboot}, Seq: r.Seq}, true
}

// whole says whether a log that ends at last can be one that the report means: not an
// unfinished copy, and after a restore neither shorter nor longer than at the cut.
func (at snapshot) whole(last shard.Position, copying bool) bool {
	p, certified := at.certified()
	return !copying && (!certified || last == p)
}

// trusts says whether a server's process is sure to have every acknowledged record.
func (at snapshot) trusts(id string, reboot uint64) bool {
	return at.exists && !at.lost && at.report.Trusts(id, reboot)
}

// failed says whether the supervision has a server as FAILED.
func (at snapshot) failed(id string) bool { return hasFailed(at.root, id) }

func hasFailed(root *agencyclient.Node, id string) bool {
	return root.At(keys.Health+"/"+id+"/Status").Text() == "FAILED"
}

// snapshots reads what the agency has of the shard.
type snapshots struct {
	*base
	state *state
}

// latest is a snapshot that is at least as new as the call; errReplaced if Plan does not
// have this tenure.
func (r snapshots) latest(ctx context.Context) (snapshot, error) {
	ctx, cancel := context.WithTimeout(ctx, r.server.Timing.Agency)
	defer cancel()
	snap, err := r.server.Cache.Sync(ctx)
	if err != nil {
		return snapshot{}, err
	}
	return r.of(snap.Root)
}

// of is the snapshot of a tree.
func (r snapshots) of(root *agencyclient.Node) (snapshot, error) {
	p := r.state.planned()
	plan := root.At(p.planKey())
	var servers []string
	term, _ := plan.At("shardTerms/" + p.Shard).Int()
	if plan.At("shards/"+p.Shard).Decode(&servers) != nil || (Place{Servers: servers}).Leader() != r.server.ID || uint64(term) != r.tenure.Term {
		return snapshot{}, errReplaced
	}
	if epoch, _ := root.At(keys.RestoreEpoch).Int(); uint64(epoch) != r.server.Epoch {
		return snapshot{}, fmt.Errorf("%w: a restore has come between", errReplaced)
	}
	at := snapshot{root: root, node: root.At(p.currentKey())}
	at.exists = at.node.Exists() && at.node.Decode(&at.report) == nil
	at.lost = r.isLost(at)
	p.Servers = servers
	r.state.plan(p)
	return at, nil
}

// isLost says that the report is from before a recovery of the agency: such a recovery
// raises all terms by keys.RecoveryStep. A report that a restore has written is never lost in
// this sense. It says where all logs end, and a log that has gone on from there is found out
// by that (recovery.takeOver).
func (r snapshots) isLost(at snapshot) bool {
	before := at.exists && at.report.Restored == nil && at.report.Term+keys.RecoveryStep <= r.tenure.Term
	return before && !failpoint.Off("report-before-recovery")
}

// members are the servers that may have acknowledged records, without this one.
func (r snapshots) members(at snapshot) []string {
	servers := r.state.planned().Servers
	switch {
	case at.lost: // the in-sync sets of lost tenures are not known: any replica may have been in one
		servers = append(slices.Clone(at.report.Servers), servers...)
	case at.exists:
		servers = at.report.Servers
	}
	var others []string
	for _, s := range servers {
		if s = strings.TrimPrefix(s, keys.Resigned); s != r.server.ID && !slices.Contains(others, s) {
			others = append(others, s)
		}
	}
	return others
}
