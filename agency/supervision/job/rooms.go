package job

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	agencyclient "stasis/agency/client"
	"stasis/agency/keys"
	"stasis/fsm"
)

// number takes the next id. Several taken in one pass follow each other.
func (v *view) number(tx *agencyclient.Tx) string {
	if v.latestWas.Exists() {
		tx.Pre[keys.LatestID] = v.latest
	} else {
		tx.Pre[keys.LatestID] = agencyclient.OldEmpty(true)
		v.latestWas = v.root
	}
	v.latest++
	tx.Ops[keys.LatestID] = v.latest
	return strconv.FormatInt(v.latest, 10)
}

// children lists the jobs of a parent that have not ended.
func (v *view) children(parent string) []job {
	var all []job
	for _, j := range slices.Concat(v.todo, v.pending) {
		if j.ParentJob == parent {
			all = append(all, j)
		}
	}
	return all
}

// nextChild is the first number that no child of the parent has.
func (v *view) nextChild(parent string) uint64 {
	var last uint64
	for _, state := range []string{keys.TargetToDo, keys.TargetPending, keys.TargetFinished, keys.TargetFailed} {
		for id := range v.root.At(state).Children() {
			if _, child := number(id); strings.HasPrefix(id, parent+"-") {
				last = max(last, child)
			}
		}
	}
	return last + 1
}

// bear adds children to a transaction of their parent.
func (v *view) bear(parent job, tx *agencyclient.Tx, children []keys.Job) {
	n := v.nextChild(parent.id)
	for _, c := range children {
		c.JobID = fmt.Sprintf("%s-%d", parent.id, n)
		c.ParentJob, c.Creator, c.TimeCreated = parent.id, creator, stamp(v.now)
		tx.Ops[keys.TargetToDo+"/"+c.JobID] = c
		tx.Pre[keys.TargetToDo+"/"+c.JobID] = agencyclient.OldEmpty(true)
		n++
	}
}

// readChildren decodes the jobs of a parent in one room.
func readChildren(room *fsm.Node, parent string) []keys.Job {
	var all []keys.Job
	for id, n := range room.Children() {
		var j keys.Job
		if strings.HasPrefix(id, parent+"-") && n.Decode(&j) == nil {
			all = append(all, j)
		}
	}
	return all
}

// tidy removes locks whose job is not pending, which only a hand can leave.
func (v *view) tidy() {
	for _, room := range []string{keys.ShardLocks, keys.ServerLocks} {
		for name, lock := range v.root.At(room).Children() {
			holder := holderText(lock)
			if holder != "" && v.root.At(keys.TargetPending+"/"+holder).Exists() {
				continue
			}
			tx := agencyclient.Tx{
				Ops: map[string]any{room + "/" + name: agencyclient.Delete()},
				Pre: map[string]any{room + "/" + name: agencyclient.Exactly(lock)},
			}
			if holder != "" {
				tx.Pre[keys.TargetPending+"/"+holder] = agencyclient.OldEmpty(true)
			}
			v.decide(Decision{Tx: tx, Step: LockRemoved, Job: holder, Detail: name})
		}
	}
}

// Ended jobs: when there are more than kept+slack in a room, the oldest go.
const (
	kept  = 500
	slack = 20
)

// trim bounds the rooms of ended jobs.
func (v *view) trim() {
	for _, room := range []string{keys.TargetFinished, keys.TargetFailed} {
		jobs := v.root.At(room)
		if jobs.Len() <= kept+slack {
			continue
		}
		ids := slices.SortedFunc(maps.Keys(maps.Collect(jobs.Children())), inOrder)
		tx := empty()
		for _, id := range ids[:len(ids)-kept] {
			tx.Ops[room+"/"+id] = agencyclient.Delete()
		}
		v.decide(Decision{Tx: tx})
	}
}
