package replica

import (
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"
)

// A new leader whose log is shorter, and that has applied less than the logs of the others
// still reach back to, takes what it lacks from where the logs meet.
func TestLongerLogThatIsCut(t *testing.T) {
	inRoom(t, outrun, func(t *testing.T, r *room) {
		lagging(r)
		pending := make(chan error, 1)
		r.group.Go(func() { pending <- r.put("A", docs("more", 1)) })
		synctest.Wait() // A and C have it, and no longer what comes after B's last applied record
		require.Equal(t, r.process("A").shard.Seq(), r.process("C").shard.Seq())
		require.Equal(t, r.process("A").shard.Seq(), r.process("B").shard.Seq()+1)
		r.plan(2, "B", "C", "A")
		r.wire.plays(nil)
		r.inSync("B", "C", "A")
		require.Error(t, <-pending, "its leader was replaced")
		require.NoError(t, r.put("B", docs("new", 1)))
		require.NoError(t, r.everywhere([]string{"first0000", "lagging0098", "more0000", "new0000"}))
		r.alike("A", "B", "C")
	}, "A", "B", "C")
}
