package replica

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	agencyclient "stasis/agency/client"
	"stasis/agency/keys"
)

// The agency is recovered from a disk that lacks the last tenure of a shard: its term, its
// leader and its report. What was acknowledged in that tenure is not on the replica that
// the recovered tree trusts, and is not lost for that: it hears the others first. Nor is the
// promise of that tenure forgotten, since a recovery raises all terms above it.
func TestRecoveredAgencyLacksATenure(t *testing.T) {
	inBubble(t, func(t *testing.T, r *room) {
		require.NoError(t, r.put("A", docs("before", 1)))
		time.Sleep(time.Second)
		lacking, servers := r.report(), []string{"A", "B", "C"}
		r.wire.plays(func(m message) fate { return fate{lost: m.to == "A" || m.from == "A"} })
		r.plan(2, "B", "C")
		r.inSync("B", "C")
		require.NoError(t, r.put("B", docs("acked", 3)))
		time.Sleep(time.Second)
		lost := r.process("C").shard.State().Promised
		require.EqualValues(t, 2, lost.Term, "the tenure that is lost was there")

		r.write(map[string]any{
			currentKey: agencyclient.Set(lacking), planKey + "/shards/" + theShard: servers,
			planKey + "/shardTerms/" + theShard: 1 + keys.RecoveryStep, keys.PlanVersion: agencyclient.Increment(1),
		})
		for range 50 { // the others do not answer yet
			time.Sleep(100 * time.Millisecond)
			require.Error(t, r.process("A").leads().Serving(), "it leads without what was acknowledged meanwhile")
		}
		r.wire.plays(nil)
		r.eventually("it leads in the recovered tree", func() bool { return r.report().Term > keys.RecoveryStep })
		r.inSync(servers...)
		require.NoError(t, r.everywhere([]string{"before0000", "acked0000", "acked0001", "acked0002"}))
		require.Positive(t, r.process("C").shard.State().Promised.Compare(lost), "a promise of a leader is forgotten")
		r.alike(servers...)
	}, "A", "B", "C")
}
