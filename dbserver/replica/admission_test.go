package replica

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/hashicorp/go-hclog"
	"github.com/stretchr/testify/require"

	"stasis/agency/agencytest"
	agencyclient "stasis/agency/client"
	"stasis/agency/keys"
	dbclient "stasis/dbserver/client"
	"stasis/dbserver/engine"
	"stasis/dbserver/shard"
	"stasis/internal/apierror"
	"stasis/internal/bubbles"
)

// late is a cache that has one tree, and learns of another when it is synced: at once, not
// before ctx ends (never), or not at all.
type late struct {
	has, news agencyclient.Snapshot
	err       error
	never     bool
	synced    int
}

func (c *late) Snapshot() agencyclient.Snapshot { return c.has }

func (c *late) Sync(ctx context.Context) (agencyclient.Snapshot, error) {
	c.synced++
	switch {
	case c.never:
		<-ctx.Done()
		return agencyclient.Snapshot{}, context.Cause(ctx)
	case c.err != nil:
		return agencyclient.Snapshot{}, c.err
	}
	c.has = c.news
	return c.has, nil
}

func (c *late) Wait(context.Context, func(agencyclient.Snapshot) bool) (agencyclient.Snapshot, error) {
	return agencyclient.Snapshot{}, errors.New("a follower waits for nothing in particular")
}

// planned is the tree in which A leads the shard in a term, in its process of that reboot id,
// B follows, and these are in sync.
func planned(t *testing.T, term, reboot uint64, inSync ...string) agencyclient.Snapshot {
	t.Helper()
	a := agencytest.New()
	_, err := a.Apply(agencyclient.Tx{Ops: map[string]any{
		keys.RestoreEpoch:     0,
		planKey:               keys.Collection{ID: collection, Shards: map[string][]string{theShard: {"A", "B"}}, ShardTerms: map[string]uint64{theShard: term}},
		currentKey:            keys.CurrentShardReport{Servers: inSync, Term: term},
		keys.ServerKnown("A"): keys.Known{RebootID: reboot},
	}})
	require.NoError(t, err)
	return a.Snapshot()
}

// followerOf is the replica of a server, with a document, that has promised tenure 1.1.
func followerOf(t *testing.T, id string, cache Cache) *Follower {
	t.Helper()
	e, err := engine.Open("engine", engine.Options{FS: vfs.NewMem(), CacheBytes: 1 << 20, MemTableBytes: 1 << 20})
	require.NoError(t, err)
	clock := &shard.Clock{}
	require.NoError(t, clock.Attach(shard.StoreIn(e)))
	t.Cleanup(func() {
		require.NoError(t, clock.Detach())
		require.NoError(t, e.Close())
	})
	s, err := shard.Create(shard.Env{Engine: e, Clock: clock}, theShard)
	require.NoError(t, err)
	_, err = s.Promise(shard.Tenure{Term: 1, Reboot: 1})
	require.NoError(t, err)
	return NewFollower(Home{ID: id, Reboot: func() uint64 { return 1 }, Cache: cache, Logger: hclog.NewNullLogger()}, s)
}

// A leader may learn of its tenure before the cache of a follower does: the follower waits
// for a tree as new as the request, and obeys.
func TestTenureThatTheCacheDoesNotHaveYet(t *testing.T) {
	for name, news := range map[string]agencyclient.Snapshot{"another leader": planned(t, 2, 1, "A", "B"), "the leader has started again": planned(t, 1, 2, "A", "B")} {
		cache := &late{has: planned(t, 1, 1, "A", "B"), news: news}
		f := followerOf(t, "B", cache)
		next := dbclient.Tenure{Term: 2, Reboot: 1}
		if name != "another leader" {
			next = dbclient.Tenure{Term: 1, Reboot: 2}
		}
		a, err := f.Promise(t.Context(), next)
		require.NoError(t, err, "it does not wait for the news: %s", name)
		require.Equal(t, next, a.State.Promised, name)
		require.Equal(t, 1, cache.synced)
		cache.err = errors.New("the agency is away")
		a, err = f.Accept(t.Context(), dbclient.AcceptRequest{Tenure: next})
		require.NoError(t, err, "what is promised is followed without the agency")
		require.Empty(t, a.Refused, a.Why)
		a, err = f.Promise(t.Context(), dbclient.Tenure{Term: 1, Reboot: 1})
		require.NoError(t, err)
		require.Equal(t, dbclient.RefusedOld, a.Refused, "an earlier one is over, whatever the agency says")
	}
}

// As long as the agency cannot be asked, no new tenure is obeyed, and none is refused for good.
func TestTenureThatCannotBeJudged(t *testing.T) {
	bubbles.Test(t, func(t *testing.T) {
		cache := &late{has: planned(t, 1, 1, "A", "B"), never: true}
		f := followerOf(t, "B", cache)
		began := time.Now()
		_, err := f.Promise(t.Context(), dbclient.Tenure{Term: 2, Reboot: 1})
		require.ErrorIs(t, err, apierror.ServiceUnavailable)
		require.Equal(t, planPatience, time.Since(began), "a request waits for ever")
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err = f.Promise(ctx, dbclient.Tenure{Term: 2, Reboot: 1})
		require.ErrorIs(t, err, apierror.ServiceUnavailable)
		require.Equal(t, planPatience+time.Second, time.Since(began), "it waits longer than its sender")
		require.Equal(t, shard.Tenure{Term: 1, Reboot: 1}, f.shard.State().Promised)
		synctest.Wait()
	})
}

// Neither a server that is not planned, nor a shard, nor an epoch that Plan does not have, nor the leader's
// own tenure is a reason to promise anything.
func TestTenureThatPlanDoesNotHave(t *testing.T) {
	has := planned(t, 2, 7, "A")
	own := dbclient.Tenure{Term: 2, Reboot: 7}
	refused := func(f *Follower, t2 dbclient.Tenure, says string) {
		t.Helper()
		before := f.shard.State()
		_, err := f.Promise(t.Context(), t2)
		require.ErrorIs(t, err, apierror.Forbidden, says)
		_, err = f.Accept(t.Context(), dbclient.AcceptRequest{Tenure: t2})
		require.ErrorIs(t, err, apierror.Forbidden, says)
		_, err = f.Copy(t.Context(), dbclient.CopyRequest{Tenure: t2, Copy: 1, Begin: true})
		require.ErrorIs(t, err, apierror.Forbidden, says)
		require.Equal(t, before, f.shard.State())
	}
	refused(followerOf(t, "B", &late{has: has, news: has}), dbclient.Tenure{Term: 3, Reboot: 7}, "a term to come")
	refused(followerOf(t, "B", &late{has: has, news: has}), dbclient.Tenure{Term: 2, Reboot: 8}, "a process to come")
	refused(followerOf(t, "A", &late{has: has, news: has}), own, "the leader promises its own tenure to another")
	refused(followerOf(t, "C", &late{has: has, news: has}), own, "a server that has no replica")
	other := followerOf(t, "B", &late{has: has, news: has})
	other.admission.home.Epoch = 1
	refused(other, own, "a Plan of another epoch")
}

// Records come after a promise: a leader that has not asked where a replica stands sends none.
func TestRecordsOfATenureThatIsNotPromised(t *testing.T) {
	has := planned(t, 2, 7, "A", "B")
	f := followerOf(t, "B", &late{has: has, news: has})
	_, err := f.Accept(t.Context(), dbclient.AcceptRequest{Tenure: dbclient.Tenure{Term: 2, Reboot: 7}})
	require.ErrorIs(t, err, apierror.PreconditionFailed, "it follows before it has promised")
	_, err = f.Copy(t.Context(), dbclient.CopyRequest{Tenure: dbclient.Tenure{Term: 2, Reboot: 7}, Copy: 1, Begin: true})
	require.ErrorIs(t, err, apierror.PreconditionFailed)
	require.Equal(t, shard.Tenure{Term: 1, Reboot: 1}, f.shard.State().Promised)
	_, err = f.Promise(t.Context(), dbclient.Tenure{Term: 2, Reboot: 7})
	require.NoError(t, err)
	_, err = f.Accept(t.Context(), dbclient.AcceptRequest{Tenure: dbclient.Tenure{Term: 2, Reboot: 7}})
	require.NoError(t, err)
}

// A promise that Plan cannot have had is overruled; one that it may have had is not, though
// the cache has not seen that yet.
func TestOnlyPromisesThatPlanNeverHadAreOverruled(t *testing.T) {
	first, later := dbclient.Tenure{Term: 1, Reboot: 1}, shard.Tenure{Term: 2, Reboot: 1}
	promising := func(cache *late, stored shard.Tenure) *Follower {
		f := followerOf(t, "B", cache)
		_, err := f.shard.Promise(stored)
		require.NoError(t, err)
		return f
	}
	f := promising(&late{has: planned(t, 1, 1, "A", "B"), news: planned(t, 2, 1, "A", "B")}, later)
	a, err := f.Promise(t.Context(), first)
	require.NoError(t, err)
	require.Equal(t, dbclient.RefusedOld, a.Refused, "a promise is forgotten that Plan has a tenure for")
	require.Equal(t, later, f.shard.State().Promised)

	f = promising(&late{has: planned(t, 1, 1, "A", "B"), err: errors.New("away")}, later)
	_, err = f.Promise(t.Context(), first)
	require.ErrorIs(t, err, apierror.ServiceUnavailable)
	require.Equal(t, later, f.shard.State().Promised)

	has := planned(t, 1, 1, "A", "B")
	f = promising(&late{has: has, news: has}, shard.Tenure{Term: 1<<64 - 1, Reboot: 1})
	a, err = f.Promise(t.Context(), first)
	require.NoError(t, err)
	require.Empty(t, a.Refused, "the shard is without a leader for ever")
	require.Equal(t, shard.Tenure(first), f.shard.State().Promised)
}

// A copy begins and ends only on a replica that is surely not in the in-sync set, by a tree
// that is as new as the request.
func TestCopyOnlyToAReplicaThatDoesNotCount(t *testing.T) {
	tenure := dbclient.Tenure{Term: 1, Reboot: 1}
	begin := dbclient.CopyRequest{Tenure: tenure, Copy: 1, Begin: true}
	for name, cache := range map[string]*late{
		"in sync":           {has: planned(t, 1, 1, "A", "B"), news: planned(t, 1, 1, "A", "B")},
		"in sync meanwhile": {has: planned(t, 1, 1, "A"), news: planned(t, 1, 1, "A", "B")},
	} {
		f := followerOf(t, "B", cache)
		_, err := f.Copy(t.Context(), begin)
		require.ErrorIs(t, err, apierror.Forbidden, "a replica that counts is replaced: %s", name)
	}
	cache := &late{has: planned(t, 1, 1, "A", "B"), news: planned(t, 1, 1, "A")}
	f := followerOf(t, "B", cache)
	a, err := f.Copy(t.Context(), begin)
	require.NoError(t, err)
	require.NotEmpty(t, a.Session)
	cache.news = planned(t, 1, 1, "A", "B")
	end := dbclient.CopyRequest{Tenure: tenure, Copy: 1, Session: a.Session, End: &dbclient.ReplicaState{}}
	_, err = f.Copy(t.Context(), end)
	require.ErrorIs(t, err, apierror.Forbidden, "a replica that counts is replaced at the end")
	cache.news = planned(t, 1, 1, "A")
	_, err = f.Copy(t.Context(), end)
	require.NoError(t, err)
	for _, bad := range []dbclient.CopyRequest{
		{Tenure: tenure, Copy: 2, Begin: true, End: &dbclient.ReplicaState{}}, {Tenure: tenure, Copy: 2, Begin: true, Session: "x"},
		{Tenure: tenure, Copy: 2, Begin: true, Entries: encodeEntries([]shard.Entry{{Key: "k", Value: []byte("v")}})},
	} {
		_, err = f.Copy(t.Context(), bad)
		require.ErrorIs(t, err, apierror.BadParameter, "a copy begins and ends in one request")
	}
}
