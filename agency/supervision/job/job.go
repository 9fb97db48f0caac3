package job

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	agencyclient "stasis/agency/client"
	"stasis/agency/keys"
	"stasis/fsm"
)

// creator is whose wish a job of our own is.
const creator = "supervision"

// job is a record under one of Target/{ToDo,Pending,Finished,Failed}.
type job struct {
	keys.Job
	id    string
	state string // the key it is under
	was   *fsm.Node
}

func (j job) key() string { return j.state + "/" + j.id }

// number is the order in which jobs are done: by number, a child after its parent
// by its own.
func number(id string) (parent, child uint64) {
	first, second, _ := strings.Cut(id, "-")
	parent, _ = strconv.ParseUint(first, 10, 64)
	child, _ = strconv.ParseUint(second, 10, 64)
	return parent, child
}

func inOrder(a, b string) int {
	parentA, childA := number(a)
	parentB, childB := number(b)
	return cmp.Or(cmp.Compare(parentA, parentB), cmp.Compare(childA, childB), cmp.Compare(a, b))
}

// readJobs reads one of the four rooms, in order. What cannot be read has no type,
// and fails for that.
func readJobs(root *fsm.Node, state string) []job {
	var all []job
	for id, n := range root.At(state).Children() {
		j := job{id: id, state: state, was: n}
		if err := n.Decode(&j.Job); err != nil {
			j.Job = keys.Job{Reason: err.Error()}
		}
		j.JobID = id
		all = append(all, j)
	}
	slices.SortFunc(all, func(a, b job) int { return inOrder(a.id, b.id) })
	return all
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// move takes a job to another room, if it is as it was read.
func (v *view) move(j job, to string, edit func(*keys.Job)) agencyclient.Tx {
	next := j.Job
	edit(&next)
	return agencyclient.Tx{
		Ops: map[string]any{j.key(): agencyclient.Delete(), to + "/" + j.id: next},
		Pre: map[string]any{j.key(): agencyclient.Exactly(j.was)},
	}
}

// about begins a decision about a job. If Plan was frozen when the job could have
// begun, it tells for how long.
func (v *view) about(j job, d Decision) Decision {
	d.Job, d.DB, d.Shard = j.id, j.Database, j.Shard
	held := v.watch.held[j.id]
	if j.Type == keys.JobFailedLeader || j.Type == keys.JobFailedFollower {
		held = max(held, v.watch.held[j.ParentJob]) // it was made as soon as its parent could begin
	}
	switch d.Step {
	case Started, LeaderChanged, Replaced, Added, Removed:
		if held > 0 && j.state == keys.TargetToDo {
			d.Detail += fmt.Sprintf("; it was held back for %v, while Plan was frozen", held.Round(10*time.Millisecond))
		}
	}
	if d.Server == "" {
		d.Server = j.Server
	}
	return d
}

// start makes the transaction that begins a job and gives it a lock, "" for none.
func (v *view) start(j job, lock string, edit func(*keys.Job)) agencyclient.Tx {
	tx := v.move(j, keys.TargetPending, func(next *keys.Job) {
		next.TimeStarted, next.Reason = stamp(v.now), ""
		if edit != nil {
			edit(next)
		}
	})
	if lock != "" {
		tx.Ops[lock] = j.id
		tx.Pre[lock] = agencyclient.OldEmpty(true)
	}
	return tx
}

// unlock gives back what the job holds.
func (v *view) unlock(j job, tx *agencyclient.Tx) {
	if j.state != keys.TargetPending {
		return
	}
	for _, lock := range []string{keys.ShardLocks + "/" + j.Shard, keys.ServerLocks + "/" + j.Server} {
		if !strings.HasSuffix(lock, "/") && v.root.At(lock).Text() == j.id {
			tx.Ops[lock] = agencyclient.Delete()
			tx.Pre[lock] = j.id
		}
	}
}

// end makes the transaction that ends a job, for better or worse.
func (v *view) end(j job, state, reason string) agencyclient.Tx {
	tx := v.move(j, state, func(next *keys.Job) {
		next.TimeFinished, next.Reason = stamp(v.now), v.say(reason)
		if next.TimeStarted == "" && state == keys.TargetFinished {
			next.TimeStarted = next.TimeFinished
		}
	})
	v.unlock(j, &tx)
	return tx
}

// finish ends a job that has nothing more to do.
func (v *view) finish(j job, reason string) {
	v.decide(v.about(j, Decision{Tx: v.end(j, keys.TargetFinished, reason), Step: Finished, Detail: j.Type + sentence(reason)}))
}

// fail ends a job that cannot be done, if Plan need not change for that.
func (v *view) fail(j job, reason string) {
	v.decide(v.about(j, Decision{Tx: v.end(j, keys.TargetFailed, reason), Step: Failed, Detail: j.Type + sentence(reason)}))
}

func sentence(reason string) string {
	if reason == "" {
		return ""
	}
	return ": " + reason
}

// setBack makes a pending job one to do again, so that nothing is pending while
// somebody waits for the agency lock. What it has done so far stays done.
func (v *view) setBack(j job, reason string) {
	tx := v.move(j, keys.TargetToDo, func(next *keys.Job) { next.TimeStarted, next.Reason = "", v.say(reason) })
	v.unlock(j, &tx)
	v.decide(v.about(j, Decision{Tx: tx, Step: SetBack, Detail: j.Type + ": " + reason}))
}

// wait notes on the record why a job does not begin, once per reason, and gives it
// up when that has lasted too long.
func (v *view) wait(j job, reason string) {
	if v.watch.age(v.now, "to do "+j.id, j.was.At("timeCreated")) > v.timing.Wait {
		v.giveUp(j, fmt.Sprintf("it could not begin within %v: %s", v.timing.Wait, reason))
		return
	}
	if reason = v.say(reason); j.Reason == reason {
		return
	}
	tx := v.update(j, func(next *keys.Job) { next.Reason = reason })
	v.decide(v.about(j, Decision{Tx: tx, Step: Waits, Detail: j.Type + ": " + reason}))
}

// update changes a job's record where it is.
func (v *view) update(j job, edit func(*keys.Job)) agencyclient.Tx {
	next := j.Job
	edit(&next)
	return agencyclient.Tx{Ops: map[string]any{j.key(): next}, Pre: map[string]any{j.key(): agencyclient.Exactly(j.was)}}
}

// create makes a job of our own, with the next number.
func (v *view) create(j keys.Job, why string) {
	tx := empty()
	id := v.number(&tx)
	j.JobID, j.Creator, j.TimeCreated = id, creator, stamp(v.now)
	tx.Ops[keys.TargetToDo+"/"+id] = j
	v.decide(Decision{
		Tx: tx, Step: Created, Job: id, DB: j.Database, Shard: j.Shard, Server: cmp.Or(j.Server, j.FromServer, j.ToServer),
		Detail: j.Type + ": " + why,
	})
}

// begin does what can be done for a job to do.
func (v *view) begin(j job) {
	switch {
	case j.Abort:
		v.windDown(j, v.children(j.id), v.aborted(j))
	case v.early(j):
	case j.Type == keys.JobFailedServer:
		v.beginFailedServer(j)
	case j.Type == keys.JobFailedLeader:
		v.failedLeader(j)
	case j.Type == keys.JobFailedFollower:
		v.failedFollower(j)
	case j.Type == keys.JobAddFollower:
		v.addFollower(j)
	case j.Type == keys.JobRemoveFollower:
		v.removeFollower(j)
	case j.Type == keys.JobMoveShard:
		v.beginMove(j)
	case j.Type == keys.JobCleanOutServer:
		v.beginCleanOut(j)
	case j.Type == keys.JobResignLeadership:
		v.beginResign(j)
	default:
		v.fail(j, fmt.Sprintf("the supervision knows no job of type %q", j.Type))
	}
}

// early says that the job's creator wants it later. It is the creator's clock
// against this machine's: a wish, nothing depends on it.
func (v *view) early(j job) bool {
	at, err := time.Parse(time.RFC3339, j.NotBefore)
	return err == nil && at.After(v.now)
}

// proceed does the next step of a pending job.
func (v *view) proceed(j job) {
	switch j.Type {
	case keys.JobFailedServer:
		v.proceedFailedServer(j)
	case keys.JobMoveShard:
		v.proceedMove(j)
	case keys.JobCleanOutServer:
		v.proceedCleanOut(j)
	case keys.JobResignLeadership:
		v.proceedResign(j)
	default:
		v.fail(j, fmt.Sprintf("a job of type %q is never pending", j.Type))
	}
}

// count says a number of things.
func count(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}
