package integration

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	agencyclient "stasis/agency/client"
	"stasis/agency/keys"
	"stasis/coordinator/backup"
	"stasis/event"
	"stasis/fault"
	"stasis/internal/apierror"
	"stasis/internal/network"
	"stasis/lab/world"
	"stasis/minicluster"
)

func tree(t *testing.T, agency *agencyclient.Client, path string) *agencyclient.Node {
	t.Helper()
	root, err := agency.Read(t.Context(), path)
	require.NoError(t, err)
	return root.At(path)
}

// lock is the agency lock, held and renewed as a coordinator does it.
type lock struct {
	agency *agencyclient.Client
	stop   context.CancelFunc
	done   sync.WaitGroup
	lost   error
}

func takeLock(t *testing.T, agency *agencyclient.Client) *lock {
	t.Helper()
	_, err := agency.Write(t.Context(), agencyclient.Tx{
		Ops: map[string]any{
			keys.HotBackupCreate: "2026-01-01T00:00:00Z",
			keys.HotBackupHolder: keys.Holder{ID: "a-backup", Operation: keys.OperationCreate, Nonce: "test", LeaseSeconds: 10},
		},
		Pre: map[string]any{keys.HotBackupCreate: agencyclient.OldEmpty(true), keys.TargetPending: agencyclient.Old(struct{}{})},
	})
	require.NoError(t, err)
	l := &lock{agency: agency}
	ctx, stop := context.WithCancel(context.Background())
	l.stop = stop
	l.done.Go(func() {
		tick := time.NewTicker(2 * time.Second)
		defer tick.Stop()
		for beat := 1; ; beat++ {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			_, err := agency.Write(ctx, agencyclient.Tx{
				Ops: map[string]any{keys.HotBackupBeat: beat}, Pre: map[string]any{keys.HotBackupNonce: agencyclient.Old("test")},
			})
			if err != nil && ctx.Err() == nil {
				l.lost = err
				return
			}
		}
	})
	return l
}

func (l *lock) release(t *testing.T) {
	t.Helper()
	l.stop()
	l.done.Wait()
	require.NoError(t, l.lost)
	_, err := l.agency.Write(t.Context(), agencyclient.Tx{
		Ops: map[string]any{keys.HotBackupCreate: agencyclient.Delete(), keys.HotBackupHolder: agencyclient.Delete()},
		Pre: map[string]any{keys.HotBackupNonce: agencyclient.Old("test")},
	})
	require.NoError(t, err)
}

// While the lock is held nothing changes Plan, not by a bit: no failover of a server
// that died, no move, no cleaning, no removal, no data definition, and no client that writes
// to the agency itself. All of it happens after the thaw.
func TestNothingMovesWhileTheLockIsHeld(t *testing.T) {
	inBubbleOf(t, world.Config{Agents: 3, DBServers: 4, Coordinators: 2}, 1, func(b *bubble) {
		nothingMoves(b.t, b.cluster(), b.observer)
	})
}

// The same with processes.
func TestNothingMovesInProcesses(t *testing.T) {
	t.Parallel()
	o := options(t, minicluster.Processes)
	o.DBServers = 4
	o.Timing.Grace, o.Timing.LeaderGrace = 3*time.Second, 3*time.Second
	c := start(t, o)
	web := network.NewHTTPClient(network.TCP())
	t.Cleanup(web.CloseIdleConnections)
	nothingMoves(t, c, observe(c.Cluster, web))
}

func nothingMoves(t *testing.T, c *cluster, o *observer) {
	agency := o.agency
	ctx, cl := t.Context(), c.clients[0]
	require.NoError(t, createReplicated(ctx, cl, "books", 4, 2, 1))
	require.NoError(t, createReplicated(ctx, cl, "gone", 1, 1, 1))
	for i := range 100 {
		require.NoError(t, c.db(0).Put(ctx, "books", map[string]any{"_key": fmt.Sprint("b", i)}))
	}
	_, dbservers, _ := c.Nodes()
	victim := dbservers[1].ID
	shard, from, to := aMove(t, agency, victim)
	held := takeLock(t, agency)
	before := tree(t, agency, keys.Plan).String()

	require.NoError(t, c.Kill("dbserver-2"))
	died := time.Now()
	_, err := agency.Write(ctx, agencyclient.Tx{Ops: map[string]any{keys.PlanVersion: agencyclient.Increment(1)}})
	require.ErrorIs(t, err, agencyclient.ErrPrecondition)
	var move, clean struct{ ID string }
	require.NoError(t, cl.Do(ctx, "POST", "/_admin/cluster/moveShard",
		map[string]any{"collection": "books", "shard": shard, "fromServer": from, "toServer": to}, &move))
	require.NoError(t, cl.Do(ctx, "POST", "/_admin/cluster/resignLeadership", map[string]any{"server": dbservers[0].ID}, &clean))
	var waiting sync.WaitGroup
	var ddl [3]error
	waiting.Go(func() { ddl[0] = c.db(0).CreateCollection(ctx, "new", 2) })
	waiting.Go(func() { ddl[1] = c.db(1).DropCollection(ctx, "gone") })
	waiting.Go(func() { ddl[2] = c.clients[1].EnsureDatabase(ctx, "another") })

	eventually(t, time.Minute, func() error {
		require.Equal(t, before, tree(t, agency, keys.Plan).String())
		if s := tree(t, agency, keys.Health+"/"+victim+"/Status").Text(); s != "FAILED" {
			return fmt.Errorf("%s is %s", victim, s)
		}
		return nil
	})
	for range 20 { // the supervision has had its chances
		require.Equal(t, before, tree(t, agency, keys.Plan).String())
		<-time.After(200 * time.Millisecond)
	}
	require.NotEmpty(t, leads(t, agency, victim), "it is still what Plan says")
	held.release(t)
	thawed := time.Now()

	eventually(t, time.Minute, func() error {
		if led := leads(t, agency, victim); len(led) > 0 {
			return fmt.Errorf("%s still leads %v", victim, led)
		}
		return o.served(ctx)
	})
	t.Logf("the failover was held back: %v after the death, %v after the thaw", time.Since(died).Round(time.Millisecond), time.Since(thawed).Round(time.Millisecond))
	waiting.Wait()
	require.NoError(t, errors.Join(ddl[:]...))
	for _, job := range []string{move.ID, clean.ID} {
		eventually(t, time.Minute, func() error {
			var answer struct{ Status, Reason string }
			if err := cl.Do(ctx, "GET", "/_admin/cluster/queryAgencyJob?id="+job, nil, &answer); err != nil {
				return err
			}
			if answer.Status != "Finished" && answer.Status != "Failed" { // the dead server may have made it impossible
				return fmt.Errorf("job %s is %s: %s", job, answer.Status, answer.Reason)
			}
			return nil
		})
	}
	count, err := c.db(0).Count(ctx, "books")
	require.NoError(t, err)
	require.EqualValues(t, 100, count)
}

// aMove chooses a shard that the server does not have, one that has it, and one that
// could.
func aMove(t *testing.T, agency *agencyclient.Client, without string) (shard, from, to string) {
	t.Helper()
	for s, servers := range planned(t, agency) {
		for id := range tree(t, agency, keys.PlanDBServers).Children() {
			if len(servers) == 2 && !slices.Contains(servers, without) && !slices.Contains(servers, id) && id != without {
				return s, servers[0], id
			}
		}
	}
	require.Fail(t, "no shard can be moved")
	return "", "", ""
}

// planned are the servers of all shards, leaders first.
func planned(t *testing.T, agency *agencyclient.Client) map[string][]string {
	t.Helper()
	all := map[string][]string{}
	for _, collections := range tree(t, agency, keys.PlanCollections).Children() {
		for _, node := range collections.Children() {
			var coll keys.Collection
			require.NoError(t, node.Decode(&coll))
			for s, servers := range coll.Shards {
				all[s] = servers
			}
		}
	}
	return all
}

func leads(t *testing.T, agency *agencyclient.Client, server string) (shards []string) {
	t.Helper()
	for s, servers := range planned(t, agency) {
		if strings.TrimPrefix(servers[0], keys.Resigned) == server {
			shards = append(shards, s)
		}
	}
	return shards
}

// A backup of replicated shards is restored to replicas that are in sync and alike,
// and nothing is copied over the network for it.
func TestRestoreBringsReplicasInSync(t *testing.T) {
	var copied atomic.Int64
	inBubble(t, 1, func(b *bubble) {
		defer b.Watch(func(e event.Event) {
			if e.Step == event.FollowerCopied {
				copied.Add(1)
			}
		})()
		t, c := b.t, b.cluster()
		ctx, cl := t.Context(), c.clients[0]
		require.NoError(t, createReplicated(ctx, cl, "people", 3, 3, 2))
		for i := range 200 {
			require.NoError(t, c.db(0).Put(ctx, "people", map[string]any{"_key": fmt.Sprint("b", i), "n": i}))
		}
		want := sumOf(t, c)
		var made backup.CreateResult
		require.NoError(t, cl.Backup(ctx, "create", map[string]any{"label": "x"}, &made))
		for range 2 {
			for i := range 300 {
				require.NoError(t, c.db(0).Put(ctx, "people", map[string]any{"_key": fmt.Sprint("after", i)}))
			}
			require.NoError(t, cl.Backup(ctx, "restore", map[string]any{"id": made.ID}, &backup.RestoreResult{}))
			require.Equal(t, want, sumOf(t, c))
			b.await(time.Minute, func() error { return b.healed(ctx) })
		}
		require.Zero(t, copied.Load())
	})
}

// A DB server that dies when a restore is committed does not keep the others from
// serving: when it is given up the restore ends, its shards are led by other replicas,
// and it takes part again when it is back, with the restored data.
func TestRestoreGoesOnWithoutAServerThatDies(t *testing.T) {
	inBubble(t, 1, func(b *bubble) {
		t, c := b.t, b.cluster()
		ctx, cl := t.Context(), c.clients[0]
		require.NoError(t, createReplicated(ctx, cl, "people", 3, 3, 1))
		for i := range 50 {
			require.NoError(t, c.db(0).Put(ctx, "people", map[string]any{"_key": fmt.Sprint("b", i)}))
		}
		want := sumOf(t, c)
		var made backup.CreateResult
		require.NoError(t, cl.Backup(ctx, "create", map[string]any{"label": "x"}, &made))
		require.NoError(t, c.db(0).Truncate(ctx, "people"))
		switched := b.on(fault.Moment{Step: event.PlanSwitched}, func() {})
		restored := make(chan error, 1)
		go func() { restored <- cl.Backup(ctx, "restore", map[string]any{"id": made.ID}, &backup.RestoreResult{}) }()
		<-switched
		b.net.Isolate("dbserver-2")
		require.NoError(t, c.Kill("dbserver-2"))
		err := c.clients[1].Backup(ctx, "delete", map[string]any{"id": made.ID}, nil)
		require.ErrorIs(t, err, apierror.BackupConflict, "not while it is restored")
		begun := time.Now()
		require.NoError(t, <-restored)
		require.Less(t, time.Since(begun), time.Minute)
		b.await(time.Minute, func() error { return b.served(ctx) })
		require.Equal(t, want, sumOf(t, c))
		b.net.Rejoin("dbserver-2")
		b.restart("dbserver-2")
		b.await(time.Minute, func() error { return b.healed(ctx) })
		require.Equal(t, want, sumOf(t, c))
	})
}
