package replica

import (
	"time"

	dbclient "stasis/dbserver/client"
	"stasis/internal/failpoint"
)

// follower is a follower as its feed sees it: what is learned of it goes into the state that
// the leader decides from.
type follower struct {
	id       string
	state    *state
	progress *progress // under the state's mutex
}

// asks notes that the leader waits for an answer from now on.
func (f follower) asks() {
	f.state.mu.Lock()
	defer f.state.mu.Unlock()
	if f.progress.asked.IsZero() {
		f.progress.asked = time.Now()
	}
}

// answered notes an answer of the follower.
func (f follower) answered(a dbclient.ReplicaAnswer) {
	f.state.mu.Lock()
	defer f.state.mu.Unlock()
	p := f.progress
	p.asked = time.Time{}
	if p.reboot != a.RebootID { // it was started again, and may have lost what it had not synced
		p.reboot = a.RebootID
		if !failpoint.Off("restarted-has-less") {
			p.acked, p.synced, p.told = 0, 0, 0
		}
	}
}

// needsCopy notes whether the follower needs a copy.
func (f follower) needsCopy(copying bool) {
	f.state.mu.Lock()
	defer f.state.mu.Unlock()
	if f.progress.copying = copying; copying {
		f.progress.acked, f.progress.synced = 0, 0
		f.state.wake()
	}
}

// has notes what the follower has after it accepted records up to seq.
func (f follower) has(seq uint64, r dbclient.AcceptRequest) {
	f.state.mu.Lock()
	defer f.state.mu.Unlock()
	p := f.progress
	p.acked = max(p.acked, seq)
	p.told = max(p.told, r.Commit)
	if r.Sync {
		p.synced = max(p.synced, seq)
	}
}

// position is what is committed, up to where writers want it on all disks, what the follower
// has been told of the former, and what it has of the latter.
func (f follower) position() (committed, wanted, told, synced uint64) {
	f.state.mu.Lock()
	defer f.state.mu.Unlock()
	return f.state.committed, f.state.wantsSync(), f.progress.told, f.progress.synced
}

func (f follower) isRequired() bool {
	f.state.mu.Lock()
	defer f.state.mu.Unlock()
	return f.progress.required
}
