package raftnode

import (
	"slices"
	"strings"
	"sync/atomic"

	"github.com/hashicorp/go-hclog"

	"stasis/agency/port"
)

// logger is Raft's logger. While the agent closes Raft's connections, and while the fence is up, the
// errors and warnings of Raft are expected: they are logged for debugging only.
type logger struct {
	hclog.Logger
	ended    atomic.Bool
	expects  func() bool // whether errors are expected
	complain func(what string, err error)
}

// undecodable is Raft's message about a stream on which something came that is no call.
const undecodable = "failed to decode incoming command"

func (l *logger) quiet() bool { return l.ended.Load() || l.expects() }

func (l *logger) Error(msg string, args ...any) {
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

func (l *logger) Warn(msg string, args ...any) {
	if l.quiet() {
		l.Logger.Debug(msg, args...)
		return
	}
	l.Logger.Warn(msg, args...)
}

// ofStranger reports whether Raft complains about an agent that does not belong to this agency. The
// agent itself logs that once, and Raft tries again and again.
func ofStranger(args []any) bool {
	return slices.ContainsFunc(args, func(arg any) bool {
		err, ok := arg.(error)
		return ok && strings.Contains(err.Error(), port.ErrRefused.Error()) // the codec hides what it wraps
	})
}
