package job

import (
	"cmp"
	"fmt"
	"slices"

	"stasis/agency/keys"
)

// addFollower gives a shard one more replica, in one transaction.
func (v *view) addFollower(j job) {
	s := v.named[j.Shard]
	switch {
	case s == nil:
		v.finish(j, "the shard is gone")
		return
	case s.factor > 0 && len(s.planned) >= s.factor:
		v.finish(j, "it has enough replicas")
		return
	case v.lockedBy(s) != "":
		v.wait(j, "job "+v.lockedBy(s)+" has the shard")
		return
	}
	to := v.free(s)
	if to == "" {
		v.fail(j, "no other GOOD server is free")
		return
	}
	tx := v.end(j, keys.TargetFinished, "")
	v.adopt(s, &tx, to)
	s.replan(&tx, append(s.marked(), to), s.term)
	why := fmt.Sprintf("%s gets a replica of %s because %d are planned and %d wanted; of all GOOD servers without one it has the fewest replicas (%d)",
		to, s.label(), len(s.planned), s.factor, v.holds[to]-1)
	v.credit(j, &tx, to, why)
	v.decide(v.about(j, Decision{Tx: tx, Step: Added, Server: to, Detail: why}))
}

// marked is the planned servers as Plan has them.
func (s *shard) marked() []string {
	servers := slices.Clone(s.planned)
	if s.resigned {
		servers[0] = keys.Resigned + servers[0]
	}
	return servers
}

// removeFollower takes one replica too many away, in one transaction: never the
// leader, and only while the leader serves.
func (v *view) removeFollower(j job) {
	s := v.named[j.Shard]
	switch {
	case s == nil:
		v.finish(j, "the shard is gone")
		return
	case s.factor <= 0 || len(s.planned) <= s.factor:
		v.finish(j, "it has no more replicas than wanted")
		return
	case v.lockedBy(s) != "":
		v.wait(j, "job "+v.lockedBy(s)+" has the shard")
		return
	case !v.serving(s):
		v.fail(j, s.leader()+" does not serve it")
		return
	}
	from, because := v.surplus(s)
	tx := v.end(j, keys.TargetFinished, "")
	isGood(&tx, s.leader())
	v.notRestarted(&tx, s.leader())
	s.unlocked(&tx)
	s.reported(&tx)
	s.replan(&tx, without(s.planned, from), s.term)
	v.holds[from]--
	why := fmt.Sprintf("%s gives its replica of %s up because %d are planned and %d wanted; %s", from, s.label(), len(s.planned), s.factor, because)
	v.credit(j, &tx, from, why)
	v.decide(v.about(j, Decision{Tx: tx, Step: Removed, Server: from, Detail: why}))
}

// serving says that the planned leader is GOOD, serves, and stays.
func (v *view) serving(s *shard) bool {
	return !s.resigned && v.good(s.leader()) && s.serves() && v.trusted(s, s.leader())
}

// surplus is the follower whose loss is the smallest: one out of sync, and of
// those one that is failed, or leaving; else the one on the fullest server.
func (v *view) surplus(s *shard) (id, because string) {
	rank := func(id string) int {
		switch {
		case v.trusted(s, id) && v.leaving[id]:
			return 3
		case v.trusted(s, id):
			return 4
		case v.failed(id):
			return 0
		case v.leaving[id]:
			return 1
		}
		return 2
	}
	followers := slices.SortedFunc(slices.Values(s.planned[1:]), func(a, b string) int {
		return cmp.Or(cmp.Compare(rank(a), rank(b)), cmp.Compare(v.holds[b], v.holds[a]), cmp.Compare(b, a))
	})
	texts := [...]string{"it is FAILED and out of sync", "it is out of sync and leaves", "it is out of sync", "it leaves", "its server has the most replicas"}
	return followers[0], texts[rank(followers[0])]
}
