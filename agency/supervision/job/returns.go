package job

import (
	"fmt"
	"slices"

	agencyclient "stasis/agency/client"
	"stasis/agency/keys"
	"stasis/fsm"
)

// returns gives leads back to servers that resigned them for a restart, once they
// have been started anew and are in sync again.
func (v *view) returns() {
	for shard, n := range v.root.At(keys.ReturnLeadership).Children() {
		var r keys.Return
		s := v.named[shard]
		switch err := n.Decode(&r); {
		case err != nil:
			v.forgo(shard, n, "its record cannot be read")
		case s == nil:
			v.forgo(shard, n, "the shard is gone")
		case s.leader() == r.Server:
			v.forgo(shard, n, "") // it leads: somebody was faster
		case !slices.Contains(s.planned, r.Server):
			v.forgo(shard, n, r.Server+" has no replica of it any more")
		case v.watch.age(v.now, "return "+shard, n) > v.timing.Return:
			v.forgo(shard, n, fmt.Sprintf("%s was not ready within %v", r.Server, v.timing.Return))
		case v.reboots(r.Server) > r.RebootID && len(v.on[shard]) == 0 && !v.waiting &&
			v.serving(s) && v.good(r.Server) && v.trusted(s, r.Server) && !v.retires[r.Server] && !v.leaving[r.Server]:
			v.giveBack(s, r, n)
		}
	}
}

func (v *view) reboots(server string) uint64 {
	n, _ := v.root.At(keys.ServerKnown(server) + "/rebootId").Int()
	return uint64(max(n, 0))
}

// giveBack makes the move, which takes the place of the wish.
func (v *view) giveBack(s *shard, r keys.Return, was *fsm.Node) {
	key := keys.ReturnLeadership + "/" + s.name
	v.create(keys.Job{
		Type: keys.JobMoveShard, Database: s.db, Collection: s.cid, Shard: s.name,
		FromServer: s.leader(), ToServer: r.Server, IsLeader: true, RemainsFollower: true,
	}, fmt.Sprintf("%s gave the lead of %s away for a restart (job %s), and is in sync again", r.Server, s.label(), r.Job))
	made := &v.decided[len(v.decided)-1]
	made.Tx.Ops[key], made.Tx.Pre[key] = agencyclient.Delete(), agencyclient.Exactly(was)
}

// forgo drops the wish.
func (v *view) forgo(shard string, was *fsm.Node, why string) {
	key := keys.ReturnLeadership + "/" + shard
	d := Decision{
		Tx:    agencyclient.Tx{Ops: map[string]any{key: agencyclient.Delete()}, Pre: map[string]any{key: agencyclient.Exactly(was)}},
		Shard: shard,
	}
	if why != "" {
		d.Step, d.Detail = ReturnDropped, shard+": "+why
	}
	v.decide(d)
}
