package flags

import (
	"testing"

	"github.com/spf13/cobra"
	"github.com/stretchr/testify/require"
)

// What was given is passed on to other processes, and nothing else.
func TestLogFlagsArePassedOn(t *testing.T) {
	var l Logs
	cmd := &cobra.Command{}
	l.Add(cmd)
	require.Empty(t, l.Arguments())
	require.NoError(t, cmd.ParseFlags([]string{"--log-keep", "7"}))
	require.Equal(t, []string{"--log-max-size", "64M", "--log-keep", "7"}, l.Arguments())
}
