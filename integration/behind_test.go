package integration

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stasis/agency/keys"
	"stasis/coordinator/backup"
	dbclient "stasis/dbserver/client"
	"stasis/event"
	"stasis/fault"
)

// behind brings the follower of the shard of c into a state in which it has not
// everything that was acknowledged, and says who is who. end takes back what keeps it there.
// (One that is being copied is in package replica's tests.)
type behind func(b *bubble) (leader, follower string, end func())

var ways = map[string]behind{
	"cut off": func(b *bubble) (leader, follower string, end func()) {
		b.create1("c", 2, 1)
		b.mustPut("a", 1)
		names := b.inSync()
		leader, follower = names[0], names[1]
		b.net.Cut(leader, follower)
		b.net.Cut(follower, leader)
		b.mustPut("b", 50)
		b.awaitInSync(1)
		return leader, follower, func() {}
	},
	"catching up from the log": func(b *bubble) (leader, follower string, end func()) {
		b.create1("c", 2, 1)
		names := b.inSync()
		leader, follower = names[0], names[1]
		b.net.Isolate(follower)
		b.mustPutLarge(51)
		b.awaitInSync(1)
		b.net.Throttle(leader, follower, 20<<10)
		b.net.Rejoin(follower)
		b.await(time.Minute, func() error { return b.getsMore(follower) })
		return leader, follower, func() { b.net.Throttle(leader, follower, 0) }
	},
	"just started, without its last writes": func(b *bubble) (leader, follower string, end func()) {
		b.create1("c", 2, 1)
		names := b.inSync()
		leader, follower = names[0], names[1]
		time.Sleep(time.Second) // all is on its disk
		b.mustPut("a", 51)
		b.crash(follower, 0)
		b.net.Cut(leader, follower) // or it would be caught up at once
		b.restart(follower)
		b.awaitInSync(1)
		return leader, follower, func() {}
	},
}

// mustPutLarge writes n documents of 20 KB.
func (b *bubble) mustPutLarge(n int) {
	b.t.Helper()
	value := strings.Repeat("x", 20<<10)
	for i := range n {
		require.NoError(b.t, b.clients[0].Database("").Put(b.t.Context(), "c", map[string]any{"_key": fmt.Sprint("l", i), "value": value}))
	}
}

// replicaAt is what a server holds of the shard of c.
func (b *bubble) replicaAt(name string) (r dbclient.ChecksumResponse, err error) {
	all, root, err := b.shards(b.t.Context())
	if err != nil {
		return r, err
	}
	epoch, _ := root.At(keys.RestoreEpoch).Int()
	for shard := range all {
		for id, known := range b.names {
			if known == name {
				return b.dbs.Checksum(b.t.Context(), dbclient.Target{URL: b.urls[id], Epoch: uint64(epoch)}, shard, dbclient.ChecksumRequest{Replica: true})
			}
		}
	}
	return r, fmt.Errorf("%s has no replica", name)
}

// getsMore is nil when a server gets from the log what it lacks.
func (b *bubble) getsMore(name string) error {
	r, err := b.replicaAt(name)
	switch {
	case err != nil:
		return err
	case r.Seq >= 51:
		b.t.Fatalf("%s has everything already: %+v", name, r)
	case r.Seq == 0:
		return fmt.Errorf("nothing yet: %+v", r)
	}
	return nil
}

// A follower was behind when a backup was made, for whatever reason. Right after the commit of
// a restore the leader stands still, or dies: the follower does not take its place, for it
// lacks what was acknowledged; the restore says what it waits for, and when the leader
// is back everything is there.
func TestRestoreWithoutTheOneThatWasInSync(t *testing.T) {
	for way, reach := range ways {
		for _, dies := range []bool{false, true} {
			if way != "cut off" && dies && os.Getenv("STASIS_SOAK") == "" {
				continue // how the leader is lost makes no difference to how the follower got behind
			}
			t.Run(fmt.Sprintf("%s/dies=%v", way, dies), func(t *testing.T) {
				inBubble(t, 11, func(b *bubble) {
					t := b.t
					leader, follower, end := reach(b)
					id := b.backedUp()
					require.Equal(t, []string{leader}, b.inSync(), "the follower was behind all the time")
					end()
					b.heal()
					b.mustPut("after", 7)
					b.on(fault.Moment{Step: event.PlanSwitched}, func() {
						if dies {
							b.net.Isolate(leader)
						} else {
							b.net.Freeze(leader)
						}
					})
					err := b.clients[0].Backup(t.Context(), "restore", map[string]any{"id": id}, &backup.RestoreResult{})
					require.ErrorContains(t, err, "was committed and completes by itself")
					require.ErrorContains(t, err, "had every acknowledged write at the cut")
					if dies {
						require.NoError(t, b.Kill(leader))
					}
					b.neverLeads(follower, time.Minute)
					if b.net.HealAll(); dies {
						b.restart(leader)
					}
					b.heal()
					b.mustCount(51)
				})
			})
		}
	}
}

// backedUp makes a backup, which is intact.
func (b *bubble) backedUp() (id string) {
	b.t.Helper()
	var made backup.CreateResult
	require.NoError(b.t, b.clients[0].Backup(b.t.Context(), "create", map[string]any{"label": "x"}, &made))
	require.False(b.t, made.PotentiallyInconsistent)
	var verified backup.VerifyResult
	require.NoError(b.t, b.clients[1].Backup(b.t.Context(), "verify", map[string]any{"id": made.ID}, &verified))
	require.True(b.t, verified.Intact, "%v", verified.Problems)
	return made.ID
}

// neverLeads demands for a while that a server is not planned as a leader.
func (b *bubble) neverLeads(name string, d time.Duration) {
	b.t.Helper()
	for begun := time.Now(); time.Since(begun) < d; time.Sleep(time.Second) {
		all, _, err := b.shards(b.t.Context())
		require.NoError(b.t, err)
		for _, r := range all {
			require.NotEqual(b.t, name, b.names[strings.TrimPrefix(r.plan[0], keys.Resigned)], "who was behind at the cut leads")
		}
	}
}
