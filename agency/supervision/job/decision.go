package job

import (
	"time"

	agencyclient "stasis/agency/client"
	"stasis/agency/keys"
	"stasis/event"
	"stasis/fsm"
)

// What is decided, as step events name it.
const (
	Created       event.Name = "job created"
	Started       event.Name = "job started"
	Finished      event.Name = "job finished"
	Failed        event.Name = "job failed"
	SetBack       event.Name = "job set back"
	Waits         event.Name = "job waits"
	Held          event.Name = "jobs wait for the thaw"
	LeaderChanged event.Name = "leader changed"
	LeaderResigns event.Name = "leader asked to resign"
	LeaderStays   event.Name = "resignation taken back"
	LeaderMissing event.Name = "shard without leader"
	Added         event.Name = "follower added"
	Removed       event.Name = "follower removed"
	Replaced      event.Name = "follower replaced"
	ReturnDropped event.Name = "lead not given back"
	LostRemoved   event.Name = "report of a lost shard removed"
	LockRemoved   event.Name = "lock of an ended job removed"
)

// Decision is one transaction, with what it was made for. Its preconditions name
// everything it is based on. Without a Step it is bookkeeping that nobody need be
// told of.
type Decision struct {
	Tx     agencyclient.Tx
	Step   event.Name
	Job    string // id
	DB     string
	Shard  string
	Server string
	Detail string // why this server, why now
	// Elapsed is how long something has lasted, for the event.
	Elapsed time.Duration
}

// Next decides what is to be done about the tree: the transactions to try, in
// order. It changes nothing but the watch. When some of them were applied, there
// may be more to do on the tree after that. now is this machine's clock.
func Next(root *fsm.Node, w *Watch, now time.Time, t Timing) []Decision {
	v := look(root, w, now, t)
	if v.frozen {
		v.hold()
		v.trim()
		return v.decided
	}
	v.thawed()
	v.tidy()
	for _, j := range v.pending {
		v.proceed(j)
	}
	for _, j := range v.todo {
		v.begin(j)
	}
	v.heal()
	v.trim()
	w.sweep()
	return v.decided
}

// Busy says whether something is pending, which wants to be looked at more often.
func Busy(root *fsm.Node) bool { return root.At(keys.TargetPending).Len() > 0 }

func (v *view) decide(d Decision) {
	if d.Detail != "" {
		d.Detail = v.say(d.Detail)
	}
	v.decided = append(v.decided, d)
}

// thaw is the subject of the news that jobs wait for it.
const thaw = "thaw"

// hold is what can be done while Plan is frozen: nothing is begun; what somebody
// wants cancelled is cancelled if Plan need not change for it.
func (v *view) hold() {
	for _, j := range v.todo {
		if j.Abort && !j.Added && len(v.children(j.id)) == 0 {
			v.giveUp(j, v.aborted(j))
		}
	}
	if !v.watch.frozen {
		v.watch.frozen = true
		clear(v.watch.held)
	}
	for _, j := range v.todo {
		v.watch.age(v.now, "held "+j.id, j.was.At("timeCreated"))
	}
	holder := v.root.At(keys.HotBackupHolder)
	if n := len(v.todo) + len(v.pending); n > 0 && v.watch.news(thaw, holder.At("nonce").Text()+"/") {
		v.decide(Decision{
			Tx: empty(), Step: Held, Server: holder.At("coordinator").Text(),
			Detail: count(n, "job waits", "jobs wait") + " while Plan is frozen for backup " + holder.At("id").Text(),
		})
	}
}

// thawed notes for how long each job was held back, when Plan is frozen no longer.
func (v *view) thawed() {
	if !v.watch.frozen {
		return
	}
	v.watch.frozen = false
	delete(v.watch.told, thaw)
	for _, j := range v.todo {
		v.watch.held[j.id] = v.watch.age(v.now, "held "+j.id, j.was.At("timeCreated"))
	}
}

func empty() agencyclient.Tx { return agencyclient.Tx{Ops: map[string]any{}, Pre: map[string]any{}} }
