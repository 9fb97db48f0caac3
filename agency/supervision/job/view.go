package job

import (
	"cmp"
	"slices"
	"strings"
	"time"

	agencyclient "stasis/agency/client"
	"stasis/agency/keys"
	"stasis/fsm"
	"stasis/internal/failpoint"
)

// view is one tree, read for deciding. Decisions that are made on it are counted
// in it, so that many made at once spread over the servers.
type view struct {
	root   *fsm.Node
	watch  *Watch
	now    time.Time
	timing Timing

	frozen  bool              // the holder of the agency lock keeps Plan as it is
	waiting bool              // it is waited for, and free: only jobs are in its way
	servers []string          // the DB servers of Plan, sorted
	health  map[string]string // their recorded status
	leaving map[string]bool   // cleaned out, or being cleaned out: gets nothing new
	retires map[string]bool   // about to lead nothing: somebody wants it to resign
	spared  map[string]bool   // in maintenance: its failure has no consequences

	shards []*shard // by database, collection, name
	named  map[string]*shard
	leads  map[string]int // how many shards a server leads by Plan
	holds  map[string]int // how many replicas it has by Plan

	todo, pending []job            // in the order of their ids
	on            map[string][]job // shard → what is to be done or pending
	moving        map[string]int   // server → moves towards it that are pending

	latest    int64 // the last id given out
	latestWas *fsm.Node

	decided []Decision
	names   *strings.Replacer // server ids → short names; made when something is said
}

func look(root *fsm.Node, w *Watch, now time.Time, t Timing) *view {
	v := &view{
		root: root, watch: w, now: now, timing: t.withDefaults(),
		frozen: fsm.Frozen(root), waiting: root.At(keys.HotBackupWaiting).Len() > 0 && !root.At(keys.HotBackupCreate).Exists(),
		health: map[string]string{}, leaving: map[string]bool{}, retires: map[string]bool{}, spared: map[string]bool{},
		named: map[string]*shard{}, leads: map[string]int{}, holds: map[string]int{},
		on: map[string][]job{}, moving: map[string]int{}, latestWas: root.At(keys.LatestID),
	}
	v.latest, _ = v.latestWas.Int()
	for id := range root.At(keys.PlanDBServers).Children() {
		v.servers = append(v.servers, id)
		v.health[id] = root.At(keys.ServerHealth(id) + "/Status").Text()
	}
	for _, list := range []string{keys.ToBeCleaned, keys.CleanedServers} {
		for _, id := range textsOf(root.At(list)) {
			v.leaving[id] = true
		}
	}
	for id := range root.At(keys.CurrentMaintenance).Children() {
		v.spared[id] = true
	}
	v.readShards()
	v.todo, v.pending = readJobs(root, keys.TargetToDo), readJobs(root, keys.TargetPending)
	for _, j := range slices.Concat(v.todo, v.pending) {
		if j.Shard != "" {
			v.on[j.Shard] = append(v.on[j.Shard], j)
		}
	}
	for _, j := range v.pending {
		switch j.Type {
		case keys.JobMoveShard:
			v.moving[j.ToServer]++
		case keys.JobResignLeadership:
			v.retires[j.Server] = true
		}
	}
	return v
}

// textsOf reads an array of strings; anything else has none.
func textsOf(n *fsm.Node) []string {
	var all []string
	if n.Decode(&all) != nil {
		return nil
	}
	return all
}

// say puts short names in the place of server ids, for people.
func (v *view) say(text string) string {
	if v.names == nil {
		var pairs []string
		for id, entry := range v.root.At(keys.ShortIDs).Children() {
			if short := entry.At("ShortName").Text(); short != "" {
				pairs = append(pairs, id, short)
			}
		}
		v.names = strings.NewReplacer(pairs...)
	}
	return v.names.Replace(text)
}

// good says that the server was heard of lately, as far as is recorded.
func (v *view) good(id string) bool { return v.health[id] == keys.StatusGood }

// failed says that the server's failure is recorded, and that it has not been
// started and has not taken a lease since. One that has may be serving, though its
// heartbeat has not been noticed yet.
func (v *view) failed(id string) bool {
	return v.health[id] == keys.StatusFailed &&
		fsm.Equal(v.root.At(keys.ServerHealth(id)+"/Known"), v.root.At(keys.ServerKnown(id)))
}

// trusted says that the server has every acknowledged write of the shard: it is in
// sync, and has not been started anew since; or it was in sync at the cut of the backup that
// has been restored, which is on its disk whenever it is started.
func (v *view) trusted(s *shard, id string) bool {
	if s.report == nil || !slices.Contains(s.synced, id) {
		return false
	}
	now, ok := v.root.At(keys.ServerKnown(id) + "/rebootId").Int()
	return ok && now >= 0 && s.report.Trusts(id, uint64(now)) || failpoint.Off("restarted-is-not-trusted")
}

// lockedBy is the job that may change the shard alone, "" for none.
func (v *view) lockedBy(s *shard) string { return holderText(v.root.At(s.lockKey())) }

// serverLockedBy is the job that may change the server alone, "" for none.
func (v *view) serverLockedBy(server string) string {
	return holderText(v.root.At(keys.ServerLocks + "/" + server))
}

func holderText(n *fsm.Node) string {
	switch {
	case !n.Exists() || n.Len() == 0 && n.Text() == "":
		return ""
	case n.Text() != "":
		return n.Text()
	}
	return strings.Join(textsOf(n), ", ")
}

// free is the GOOD server with the fewest replicas that has none of the shard,
// the first by id among equals; "" if there is none. A server that has lost its
// replica and is in the report still, as in sync, gets none before that is corrected:
// it would count as having what it has dropped.
func (v *view) free(s *shard) string {
	return v.best(v.holds, slices.DeleteFunc(slices.Clone(v.servers), func(id string) bool {
		return !v.good(id) || v.leaving[id] || v.spared[id] || slices.Contains(s.planned, id) || slices.Contains(s.synced, id) && !failpoint.Off("counted-gets-no-replica")
	}))
}

// best is the server with the smallest count, the first by id among equals.
// Servers that are leaving come last.
func (v *view) best(count map[string]int, among []string) string {
	if len(among) == 0 {
		return ""
	}
	last := func(id string) int {
		if v.leaving[id] || v.retires[id] {
			return 1
		}
		return 0
	}
	return slices.MinFunc(among, func(a, b string) int {
		return cmp.Or(cmp.Compare(last(a), last(b)), cmp.Compare(count[a], count[b]), cmp.Compare(a, b))
	})
}

// isGood is the precondition that the server is recorded as GOOD.
func isGood(tx *agencyclient.Tx, server string) {
	tx.Pre[keys.ServerHealth(server)+"/Status"] = agencyclient.Old(keys.StatusGood)
}

// isFailed is the precondition that the server is failed, as failed has it.
func (v *view) isFailed(tx *agencyclient.Tx, server string) {
	tx.Pre[keys.ServerHealth(server)+"/Status"] = agencyclient.Old(keys.StatusFailed)
	if !failpoint.Off("failure-still-stands") {
		tx.Pre[keys.ServerKnown(server)] = agencyclient.Exactly(v.root.At(keys.ServerKnown(server)))
	}
}

// notRestarted is the precondition that the server has not been started anew since
// the tree was read: if it is trusted now, it still is then.
func (v *view) notRestarted(tx *agencyclient.Tx, server string) {
	reboots := keys.ServerKnown(server) + "/rebootId"
	tx.Pre[reboots] = agencyclient.Exactly(v.root.At(reboots))
}

// stays is the precondition that the server is in Plan and that nobody has begun
// to clean it out.
func (v *view) stays(tx *agencyclient.Tx, server string) {
	tx.Pre[keys.PlanDBServers+"/"+server] = agencyclient.OldEmpty(false)
	for _, list := range []string{keys.ToBeCleaned, keys.CleanedServers} {
		tx.Pre[list] = agencyclient.Exactly(v.root.At(list))
	}
}
