package agency

import (
	"slices"
	"strings"
	"sync/atomic"

	"github.com/hashicorp/go-hclog"

	"stasis/agency/fence"
	"stasis/agency/port"
)

// raftLog is Raft's log. Once the agent closes Raft's connections, and while it is
// gagged, what Raft calls an error or a warning is what was asked for: only those who
// debug want it.
type raftLog struct {
	hclog.Logger
	ended    atomic.Bool
	fence    *fence.Fence
	complain func(what string, err error)
}

// undecodable is what Raft says of a stream that another agent, or a stranger, has spoilt.
const undecodable = "failed to decode incoming command"

func (l *raftLog) quiet() bool { return l.ended.Load() || l.fence.Hang() != nil }

func (l *raftLog) Error(msg string, args ...any) {
	if l.quiet() || ofStranger(args) {
		l.Logger.Debug(msg, args...)
		return
	}
	if msg == undecodable && len(args) == 2 {
		if err, ok := args[1].(error); ok {
			l.complain(msg, err)
			return
		}
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

// ofStranger says whether Raft complains of an agent that does not belong to this
// agency: the agent itself has said that, once, and Raft tries again and again.
func ofStranger(args []any) bool {
	return slices.ContainsFunc(args, func(arg any) bool {
		err, ok := arg.(error)
		return ok && strings.Contains(err.Error(), port.ErrRefused.Error()) // the codec hides what it wraps
	})
}
