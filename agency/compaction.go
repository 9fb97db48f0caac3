package agency

import (
	"errors"
	"fmt"

	"github.com/hashicorp/raft"

	"stasis/agency/quota"
)

// reconfigure changes Raft's settings: one at a time, for they are read and written.
func (a *Agent) reconfigure(r *raft.Raft, change func(*raft.ReloadableConfig)) error {
	a.settings.Lock()
	defer a.settings.Unlock()
	c := r.ReloadableConfig()
	change(&c)
	if err := r.ReloadConfig(c); err != nil {
		return fmt.Errorf("change Raft's settings: %w", err)
	}
	return nil
}

// keepTrailing tells Raft how many entries stay after the snapshot that has begun.
func (a *Agent) keepTrailing(r *raft.Raft, entries uint64) {
	if err := a.reconfigure(r, func(c *raft.ReloadableConfig) { c.TrailingLogs = entries }); err != nil {
		a.logger.Error("Raft's log may stay longer than it should", "error", err)
	}
}

// keepSmall takes the snapshots that are due by bytes, and reports how the tree stands to
// its quota, until the agent ends.
func (a *Agent) keepSmall() {
	alarm := ""
	for {
		select {
		case <-a.running.Done():
			return
		case <-a.quota.Changed:
			alarm = a.reportTree(alarm)
		case <-a.compaction.Due:
			err := a.await(a.running, func() raft.Future { return a.raft.Snapshot() })
			if err != nil && !errors.Is(err, raft.ErrNothingNewToSnapshot) && a.running.Err() == nil {
				a.logger.Warn("Raft's log is long, and no snapshot has been finished; looking again", "error", err, "in", a.timing.SnapshotInterval)
				pause(a.running.Done(), a.timing.SnapshotInterval)
			}
		}
	}
}

// reportTree logs what has changed about the tree's size, and gives the alarm as it is now.
func (a *Agent) reportTree(before string) (alarm string) {
	s := a.quota.State(a.tree.State().Weight())
	switch {
	case s.Alarm != "" && before == "":
		a.logger.Error("the agency's tree is nearly full", "bytes", s.Bytes, "quota", s.Quota, "do", quota.Remedy)
	case s.Alarm == "" && before != "":
		a.logger.Info("the agency's tree has room again", "bytes", s.Bytes, "quota", s.Quota)
	}
	if s.Refused > 0 {
		a.logger.Warn("transactions were refused: the tree would be too large", "since the start", s.Refused, "the last", s.LastRefusal)
	}
	return s.Alarm
}
