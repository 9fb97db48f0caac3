package leadership

import (
	"testing"

	"github.com/stretchr/testify/require"

	"stasis/fsm"
)

// What is to expire in the transient tree goes by the agent's time, as in the other tree, and not by the system's.
func TestTransientExpiresByTheAgentsTime(t *testing.T) {
	now := int64(5_000_000)
	tree := newTransient(1<<20, func() int64 { return now })
	tx, err := fsm.ParseTransaction([]byte(`[{"/a":{"op":"set","new":1,"ttl":10}}]`))
	require.NoError(t, err)
	require.NotZero(t, tree.Apply(tx).Index)
	there := func() bool { return tree.State().Root().At("a").Exists() }
	require.True(t, there())
	now += 9_000
	require.True(t, there())
	now += 2_000
	require.False(t, there())
}
