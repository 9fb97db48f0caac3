package agency

import (
	"fmt"
	"time"

	"github.com/hashicorp/raft"

	"stasis/agency/fence"
	"stasis/internal/failpoint"
)

// lookAtDisk gags this agent when its disk hangs, and lifts the gag when that is over;
// leads says that it leads then, and needs an office.
//
// While the agent is gagged it has no office, so it answers no read, poll or heartbeat, and
// does not supervise; the others hear nothing and elect another leader. The gag outlives
// the hanging call: until Raft no longer leads in the term in which it was put on. Raft
// steps down by itself, for no follower answers what is not sent. So what this node did as
// leader of that term is over for all, and what was on its way then is unknown. Alone it
// has nobody to yield to: it goes on in the same term, with a new office.
func (a *Agent) lookAtDisk() (leads bool) {
	overdue, hang := a.disk.Calls.Overdue(a.timing.DiskPatience), a.fence.Hang()
	switch {
	case overdue != nil && hang == nil:
		h := fence.Hang{Since: overdue.Begun, Call: overdue.What, Term: a.raft.CurrentTerm()}
		a.fence.Raise(h)
		if !failpoint.Off("fence-on-hang") {
			a.endOffice()
		}
		// Not here: the log may be on the disk that hangs.
		a.watcher.Go(func() {
			a.logger.Error("the disk hangs: this agent takes no part in the agency until it is back", "call", h.Call, "since", h.Since.UTC().Format(time.RFC3339))
		})
	case overdue != nil && time.Since(hang.Since) > a.timing.DiskTimeout && !hang.Final:
		hang.Final = true
		a.fail(fmt.Errorf("%w: %s is too long, giving up: repair the disk and start the agent again", hang.Err(), a.timing.DiskTimeout))
	case overdue == nil && hang != nil && !a.leadsOthers(hang.Term):
		a.disk.Calls.Returned()
		a.fence.Lower()
		a.watcher.Go(func() {
			a.logger.Info("the disk answers again: this agent takes part", "hung", time.Since(hang.Since).Round(time.Millisecond))
		})
		return a.raft.State() == raft.Leader
	}
	return false
}

// leadsOthers says whether Raft still leads in a term, and others could follow.
func (a *Agent) leadsOthers(term uint64) bool {
	_, others := a.others()
	return others > 0 && a.raft.State() == raft.Leader && a.raft.CurrentTerm() == term
}
