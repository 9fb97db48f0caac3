package agency

import (
	"sync/atomic"

	"github.com/hashicorp/go-hclog"
)

// raftLog is Raft's log. Once the agent closes Raft's connections, and while it is
// gagged, what Raft calls an error or a warning is what was asked for: only those who
// debug want it.
type raftLog struct {
	hclog.Logger
	ended atomic.Bool
	gag   *gag
}

func (l *raftLog) quiet() bool { return l.ended.Load() || l.gag.state() != nil }

func (l *raftLog) Error(msg string, args ...any) {
	if l.quiet() {
		l.Logger.Debug(msg, args...)
		return
	}
	l.Logger.Error(msg, args...)
}

func (l *raftLog) Warn(msg string, args ...any) {
	if l.quiet() {
		l.Logger.Debug(msg, args...)
		return
	}
	l.Logger.Warn(msg, args...)
}
