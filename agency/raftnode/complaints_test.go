package raftnode

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/stretchr/testify/require"

	"stasis/agency/port"
	"stasis/internal/bubbles"
)

// TestComplaintsAreRare: however often others send what they must not, the log has a line a minute, and
// the line says how many there were.
func TestComplaintsAreRare(t *testing.T) {
	bubbles.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		c := &complaints{logger: hclog.New(&hclog.LoggerOptions{Output: &out, DisableTime: true})}
		for range 1000 {
			c.tell("refusing a stream of Raft", errors.New("garbage"))
			time.Sleep(100 * time.Millisecond)
		}
		require.Equal(t, 2, strings.Count(out.String(), "\n"), out.String())
		require.Contains(t, out.String(), `error=garbage`)
		require.Contains(t, out.String(), `since the last such line=599`)
	})
}

// TestLoggerKnowsWhatIsExpected: errors of Raft are errors, unless the agent has caused them, or another
// agent has, of which there is a line already.
func TestLoggerKnowsWhatIsExpected(t *testing.T) {
	var out bytes.Buffer
	fenced := false
	var complained []string
	l := &logger{
		Logger:   hclog.New(&hclog.LoggerOptions{Output: &out, DisableTime: true, Level: hclog.Info}),
		expects:  func() bool { return fenced },
		complain: func(what string, err error) { complained = append(complained, fmt.Sprint(what, ": ", err)) },
	}
	logged := func(log func(string, ...any), msg string, args ...any) string {
		out.Reset()
		log(msg, args...)
		return out.String()
	}
	require.Contains(t, logged(l.Error, "failed to heartbeat"), "[ERROR]")
	require.Contains(t, logged(l.Warn, "slow"), "[WARN]")
	require.Empty(t, logged(l.Error, "failed to append", "error", errors.New("codec: "+port.ErrRefused.Error())), "the guard has logged the stranger")
	require.Empty(t, logged(l.Error, undecodable, "error", errors.New("garbage")))
	require.Equal(t, []string{undecodable + ": garbage"}, complained)
	fenced = true
	require.Empty(t, logged(l.Error, "failed to heartbeat"))
	require.Empty(t, logged(l.Warn, "slow"))
	fenced = false
	l.ended.Store(true)
	require.Empty(t, logged(l.Error, "failed to accept connection"))
}
