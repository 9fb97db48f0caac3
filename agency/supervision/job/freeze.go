package job

import (
	"time"

	agencyclient "stasis/agency/client"
	"stasis/agency/keys"
	"stasis/event"
	"stasis/fsm"
)

// thawSubject is the subject of the news that jobs wait for the thaw.
const thawSubject = "thaw"

// hold does what can be done while Plan is frozen: no job begins or goes on. A job that is aborted
// ends if it has not changed Plan: its end would have to take the change back.
func (p *pass) hold() {
	for _, j := range p.facts.ToDo {
		if j.Record.Abort && !j.Record.Added && len(p.facts.Children(j.ID)) == 0 {
			p.giveUp(j, aborted(j))
		}
	}
	if !p.memory.frozen {
		p.memory.frozen = true
		clear(p.memory.heldBack)
	}
	// How long each job is held back is counted from here, for the event of what it does after the
	// thaw.
	for _, j := range p.facts.ToDo {
		p.age("held "+j.ID, j.Node.At("timeCreated"))
	}
	// It is told once for each holder of the lock, and not in each pass.
	holder := p.facts.Root.At(keys.HotBackupHolder)
	if n := len(p.facts.Open()); n > 0 && p.memory.news(thawSubject, holder.At("nonce").Text()+"/") {
		p.out.decide(Decision{
			Tx: agencyclient.NewTx(), Step: event.JobsHeld, Server: holder.At("coordinator").Text(),
			Detail: count(n, "job waits", "jobs wait") + " while Plan is frozen: the agency lock is held by " + describe(holder, p.memory.wall.Now()),
		})
	}
}

// describe names the holder of the agency lock, also if another tool has written it.
func describe(holder *fsm.Node, now time.Time) string {
	var h keys.Holder
	_ = holder.Decode(&h) // then it is an unknown holder
	return h.Describe(now)
}

// thaw notes, in the first pass after a freeze, for how long each job was held back.
func (p *pass) thaw() {
	if !p.memory.frozen {
		return
	}
	p.memory.frozen = false
	delete(p.memory.told, thawSubject)
	for _, j := range p.facts.ToDo {
		p.memory.heldBack[j.ID] = p.age("held "+j.ID, j.Node.At("timeCreated"))
	}
}
