package job

import (
	"fmt"
	"strings"
	"time"

	agencyclient "stasis/agency/client"
	"stasis/agency/keys"
	"stasis/agency/supervision/job/facts"
	"stasis/event"
	"stasis/fsm"
)

// planner decides about the jobs of one kind. A planner has no state: all that is known of a job
// is in the tree, so that the next leader of the agency goes on with it at any point.
type planner interface {
	// begin decides about a job in Target/ToDo: it starts or ends, or waits.
	begin(p *pass, j facts.Job)
	// proceed decides about the next step of a job in Target/Pending, if it can be taken now.
	proceed(p *pass, j facts.Job)
	// undo adds to tx, which ends a job that is given up, what takes back the job's changes. It
	// returns what the event says of them.
	undo(p *pass, j facts.Job, tx *agencyclient.Tx) (undone []string)
}

// pass is one look at one tree, and what planners decide with.
type pass struct {
	facts     *facts.Snapshot
	placement *placement
	memory    *Memory
	timeouts  Timeouts
	now       time.Time
	wall      time.Time // what the wall clock shows now
	out       *sink
	plannerOf func(kind string) planner
}

func newPass(root *fsm.Node, m *Memory, now time.Time, t Timeouts, plannerOf func(kind string) planner) *pass {
	f, onWall := facts.Read(root, &m.cache), m.wall.Of(now)
	return &pass{
		facts: f, placement: newPlacement(f), memory: m, timeouts: t.withDefaults(), now: now, wall: onWall,
		out: newSink(f, onWall, m.heldBack), plannerOf: plannerOf,
	}
}

// begin decides about a job to do.
func (p *pass) begin(j facts.Job) {
	switch {
	case j.Record.Abort:
		p.windDown(j, aborted(j))
	case !p.early(j):
		p.plannerOf(j.Record.Type).begin(p, j)
	}
}

// early says that the job's creator wants it later. It compares the creator's clock with this
// machine's. That does no harm: no promise depends on when a job begins.
func (p *pass) early(j facts.Job) bool {
	at, err := time.Parse(time.RFC3339, j.Record.NotBefore)
	return err == nil && at.After(p.wall)
}

// age is for how long the values have been seen unchanged, as Memory has it.
func (p *pass) age(what string, values ...*fsm.Node) time.Duration {
	return p.memory.age(p.now, what, values...)
}

// agePending is for how long a pending job has been seen pending.
func (p *pass) agePending(j facts.Job) time.Duration {
	return p.age("pending "+j.ID, j.Node.At("timeStarted"))
}

// wait notes on the record why a job does not begin, and gives the job up when that has lasted
// too long.
func (p *pass) wait(j facts.Job, reason string) {
	// timeCreated is written once, so the period does not begin again with each reason.
	if p.age("to do "+j.ID, j.Node.At("timeCreated")) > p.timeouts.Queue {
		p.giveUp(j, fmt.Sprintf("it could not begin within %v: %s", p.timeouts.Queue, reason))
		return
	}
	p.out.note(j, reason)
}

// giveUp ends a job that has not reached its aim, and takes back what it has changed.
func (p *pass) giveUp(j facts.Job, reason string) {
	tx := p.out.end(j, keys.TargetFailed, reason)
	undone := p.plannerOf(j.Record.Type).undo(p, j, &tx)
	p.out.decideOn(j, Decision{Tx: tx, Step: event.JobFailed, Detail: strings.Join(append([]string{j.Record.Type + ": " + reason}, undone...), "; ")})
}

// givenUp begins the reason of a job with the mark Abort that the supervision itself gives up.
const givenUp = "given up: "

// aborted is why a job with the mark Abort ends: for the supervision's own reason, or because
// it was asked to.
func aborted(j facts.Job) string {
	if reason, ours := strings.CutPrefix(j.Record.Reason, givenUp); ours {
		return reason
	}
	return "it was aborted"
}

// windDown gives up a job that may have children: first the children that have not begun, then
// those that are pending, then the job. It takes several passes; in between the mark Abort says
// where it stands, so that another leader goes on with it.
func (p *pass) windDown(j facts.Job, reason string) {
	children := p.facts.Children(j.ID)
	if len(children) == 0 {
		p.giveUp(j, reason)
		return
	}
	if !j.Record.Abort {
		p.mark(j, reason)
	}
	for _, c := range children {
		switch {
		case c.Record.Abort:
		case c.IsPending():
			p.mark(c, "its parent ends: "+reason)
		default:
			p.giveUp(c, "its parent ends: "+reason)
		}
	}
}

// count is a number of things, for people.
func count(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

// mark asks for the end of a job that cannot end at once.
func (p *pass) mark(j facts.Job, reason string) {
	p.out.decide(Decision{Tx: p.out.update(j, func(next *keys.Job) {
		next.Abort, next.Reason = true, givenUp+p.out.shorten(reason)
	})})
}
