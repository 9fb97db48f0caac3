package integration

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stasis/coordinator/backup"
	"stasis/internal/step"
	"stasis/minicluster"
)

// onStep calls whatever a test has set when a step is reached.
type onStep struct {
	mu   sync.Mutex
	when step.Name
	what func()
}

func (a *onStep) set(when step.Name, what func()) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.when, a.what = when, what
}

func (a *onStep) sink(_ context.Context, e step.Event) {
	a.mu.Lock()
	what := a.what
	if e.Step != a.when {
		what = nil
	} else {
		a.what = nil
	}
	a.mu.Unlock()
	if what != nil {
		what()
	}
}

// behind is a backup of the shard of c, made while the follower lacked 50 of 51
// documents because only the link between leader and follower was cut. Everything is
// well again when it returns.
func (b *bubble) behind() (leader, follower, id string) {
	b.t.Helper()
	b.create1("c", 2, 1)
	b.mustPut("a", 1)
	names := b.inSync()
	leader, follower = names[0], names[1]
	b.net.Cut(leader, follower)
	b.net.Cut(follower, leader)
	b.mustPut("b", 50)
	b.awaitInSync(1)
	var made backup.CreateResult
	require.NoError(b.t, b.clients[0].Backup(b.t.Context(), "create", map[string]any{"label": "x"}, &made))
	require.False(b.t, made.PotentiallyInconsistent)
	var verified backup.VerifyResult
	require.NoError(b.t, b.clients[1].Backup(b.t.Context(), "verify", map[string]any{"id": made.ID}, &verified))
	require.True(b.t, verified.Intact, "%v", verified.Problems)
	require.Equal(b.t, []string{leader}, b.inSync(), "the follower was behind all the time")
	b.heal()
	b.mustPut("after", 7)
	return leader, follower, made.ID
}

// The follower of a shard was behind when a backup was made. Right after the commit of a
// restore the leader stands still: the follower does not take its place, for it lacks
// what was acknowledged; the restore says what it waits for, and when the leader goes on
// everything is there.
func TestRestoreWithALeaderThatStallsAndAFollowerThatWasBehind(t *testing.T) {
	var hook onStep
	inBubbleOf(t, minicluster.Options{Agents: 3, DBServers: 3, Coordinators: 2, Steps: hook.sink}, 11, nil, func(b *bubble) {
		leader, follower, id := b.behind()
		hook.set(step.PlanSwitched, func() { b.net.Freeze(leader) })
		begun := time.Now()
		err := b.clients[0].Backup(b.t.Context(), "restore", map[string]any{"id": id}, &backup.RestoreResult{})
		t.Logf("after %v: %v", time.Since(begun), err)
		require.ErrorContains(b.t, err, "was committed and completes by itself")
		require.ErrorContains(b.t, err, "in sync at the cut")
		ctx := b.t.Context()
		for range 60 { // the supervision has its chances
			all, _, err := b.shards(ctx)
			require.NoError(b.t, err)
			for _, r := range all {
				require.NotEqual(b.t, follower, b.names[strings.TrimPrefix(r.plan[0], "_")], "who was behind at the cut leads")
			}
			time.Sleep(time.Second)
		}
		b.net.Thaw(leader)
		b.heal()
		b.mustCount(51)
	})
}
