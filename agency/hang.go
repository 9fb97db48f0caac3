package agency

import (
	"fmt"
	"time"

	"github.com/hashicorp/raft"

	"stasis/agency/fence"
	"stasis/internal/failpoint"
)

// lookAtDisk raises the fence when the disk hangs, and lowers it when that is over. leads says that
// the agent leads then, and needs a leadership.
//
// Behind the fence the agent has no leadership, so it answers no read, poll or heartbeat, and does
// not supervise. The others hear nothing and elect another leader. The fence stays up longer than
// the call hangs: until Raft no longer leads in the term in which it was raised. Raft steps down by
// itself, for no follower answers what is not sent. So what this agent did as leader of that term is
// over for all, and the outcome of what was in flight is unknown. An agent that is alone has no
// other to yield to: it goes on in the same term, with a new leadership.
func (a *Agent) lookAtDisk() (leads bool) {
	overdue, hang := a.disk.Calls.Overdue(a.timing.DiskPatience), a.fence.Hang()
	switch {
	case overdue != nil && hang == nil:
		h := fence.Hang{Since: overdue.Begun, Call: overdue.What, Term: a.node.Raft.CurrentTerm()}
		a.fence.Raise(h)
		if !failpoint.Off("fence-on-hang") {
			a.leadership.End()
		}
		// Not here: the log may be on the disk that hangs.
		a.life.watcher.Go(func() {
			a.logger.Error("the disk hangs: this agent takes no part in the agency until it is back", "call", h.Call, "since", h.Since.UTC().Format(time.RFC3339))
		})
	case overdue != nil && time.Since(hang.Since) > a.timing.DiskTimeout && !hang.Final:
		hang.Final = true
		a.fail(fmt.Errorf("%w: %s is too long, giving up: repair the disk and start the agent again", hang.Err(), a.timing.DiskTimeout))
	case overdue == nil && hang != nil && !a.leadsOthers(hang.Term):
		a.disk.Calls.Returned()
		a.fence.Lower()
		a.life.watcher.Go(func() {
			a.logger.Info("the disk answers again: this agent takes part", "hung", time.Since(hang.Since).Round(time.Millisecond))
		})
		return a.node.Raft.State() == raft.Leader
	}
	return false
}

// leadsOthers says whether Raft still leads in a term, and others could follow.
func (a *Agent) leadsOthers(term uint64) bool {
	_, others := a.members.Others()
	return others > 0 && a.node.Raft.State() == raft.Leader && a.node.Raft.CurrentTerm() == term
}
