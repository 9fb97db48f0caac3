package raftnode

import (
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/raft"
)

// Settings are Raft's intervals and thresholds.
type Settings struct {
	Heartbeat time.Duration // a follower that hears nothing for so long stands for election
	Election  time.Duration // a candidate without a result for so long tries again
	Lease     time.Duration // a leader that reaches no majority for so long steps down
	Write     time.Duration // how long a change is waited for

	SnapshotInterval  time.Duration // how often Raft looks whether a snapshot is due by entries
	SnapshotThreshold uint64        // entries since the last snapshot that make one due
	TrailingLogs      uint64        // entries that stay after a snapshot
}

// raftEntries is how many entries a call of Raft carries at most. Each may have several MiB.
const raftEntries = 16

func (s Settings) configuration(self string, logger hclog.Logger, notices chan<- bool) *raft.Config {
	c := raft.DefaultConfig()
	c.LocalID = raft.ServerID(self)
	c.Logger = logger
	c.NotifyCh = notices
	c.HeartbeatTimeout = s.Heartbeat
	c.ElectionTimeout = s.Election
	c.LeaderLeaseTimeout = s.Lease
	c.MaxAppendEntries = raftEntries
	c.SnapshotInterval = s.SnapshotInterval
	c.SnapshotThreshold = s.SnapshotThreshold
	c.TrailingLogs = s.TrailingLogs
	c.NoLegacyTelemetry = true
	c.ShutdownOnRemove = false // an agent that was removed still answers, and may be added again
	return c
}
