package job_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	agencyclient "stasis/agency/client"
	"stasis/agency/keys"
	"stasis/agency/supervision"
	"stasis/event"
	"stasis/fsm"
	"stasis/internal/bubbles"
)

// live is a cluster with the whole supervision of an agency's leader over it, in a
// bubble: heartbeats, health, lock and jobs.
type live struct {
	mu        sync.Mutex
	cluster   *cluster
	transient *fsm.Machine
	told      []event.Event
}

func goLive(c *cluster) *live { return &live{cluster: c, transient: fsm.New(0)} }

func (l *live) Root() *fsm.Node {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.cluster.now = time.Now()
	return l.cluster.root()
}

func (l *live) Transient() *fsm.Node { return l.transient.State().Root() }

func (l *live) WriteTransient(_ context.Context, tx fsm.Transaction) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.transient.Apply(1, command(tx))[0].Reason
}

func command(txs ...fsm.Transaction) fsm.Command {
	return fsm.Command{Time: time.Now().UnixMilli(), Transactions: txs}
}

func (l *live) Propose(_ context.Context, txs []fsm.Transaction) (indices []uint64, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, o := range l.cluster.machine.Apply(1, command(txs...)) {
		indices = append(indices, o.Index)
		if o.Index == 0 && len(o.Failed) == 0 {
			err = o.Reason
		}
	}
	return indices, err
}

// supervise runs a leader's supervision until stop is called.
func (l *live) supervise() (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = supervision.Run(ctx, supervision.Config{Store: l, Steps: func(_ context.Context, e event.Event) {
			l.mu.Lock()
			defer l.mu.Unlock()
			l.told = append(l.told, e)
		}})
	}()
	return sync.OnceFunc(func() { cancel(); <-done })
}

// do does something to the cluster.
func (l *live) do(f func(c *cluster)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.cluster.now = time.Now()
	f(l.cluster)
}

// pass lets seconds pass in which all that are up send heartbeats and report.
func (l *live) pass(seconds int) {
	for range seconds {
		l.do(func(c *cluster) {
			for id, s := range c.servers {
				if s.up {
					l.beat(id)
				}
			}
			c.serve()
			if c.root().At(keys.HotBackupHolder).Exists() {
				c.must(agencyclient.Tx{Ops: map[string]any{keys.HotBackupBeat: agencyclient.Increment(1)}})
			}
		})
		time.Sleep(time.Second)
	}
}

func (l *live) beat(id string) {
	raw, err := agencyclient.Tx{Ops: map[string]any{keys.ServerStates + "/" + id: keys.Heartbeat{Time: time.Now().Format(time.RFC3339Nano), Status: agencyclient.StatusServing}}}.Encode("")
	if err == nil {
		var tx fsm.Transaction
		if tx, err = fsm.ParseTransaction(raw); err == nil {
			err = l.transient.Apply(1, command(tx))[0].Reason
		}
	}
	if err != nil {
		panic(err)
	}
}

func (l *live) story() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	var b strings.Builder
	for _, e := range l.told[max(0, len(l.told)-60):] {
		fmt.Fprintf(&b, "%s %s\n", e.ID, e)
	}
	return b.String()
}

// A server that falls silent is found, its shards get other leaders and followers,
// and the agency tells the whole story in its events.
func TestFailoverFromSilenceToEvents(t *testing.T) {
	bubbles.Test(t, func(t *testing.T) {
		c := newCluster(t, 4)
		l := goLive(c)
		c.shard("s1", 2, "PRMR-1", "PRMR-2")
		c.shard("s2", 2, "PRMR-3", "PRMR-1")
		defer l.supervise()()
		l.pass(5)
		l.do(func(c *cluster) { c.kill("PRMR-1") })
		l.pass(8)
		l.do(func(c *cluster) { require.Equal(t, "PRMR-1", c.planned("s1")[0], "within the grace period") })
		l.pass(6)
		l.do(func(c *cluster) {
			require.Equal(t, "PRMR-2", c.planned("s1")[0])
			require.EqualValues(t, 2, c.term("s1"))
			require.True(t, c.root().At(keys.FailedServers+"/PRMR-1").Exists())
		})
		l.pass(20)
		l.do(func(c *cluster) {
			c.requireServed("s1", 2, "PRMR-1")
			c.requireServed("s2", 2, "PRMR-1")
			c.requireQuiet()
			var events []keys.Event
			require.NoError(t, c.root().At(keys.SupervisionEvents).Decode(&events))
			text, err := json.Marshal(events)
			require.NoError(t, err)
			for _, want := range []string{"BAD → FAILED", "PRMR-2 now leads s1 of db/books in term 2 because PRMR-1 is FAILED", "takes the place of PRMR-1"} {
				require.Contains(t, string(text), want)
			}
			c.start("PRMR-1")
		})
		l.pass(3)
		l.do(func(c *cluster) { require.False(t, c.root().At(keys.FailedServers+"/PRMR-1").Exists()) })
	})
}

// writersOfPlan are transactions as coordinators, servers and people send them.
func writersOfPlan() map[string]agencyclient.Tx {
	version := func(ops map[string]any) agencyclient.Tx {
		ops[keys.PlanVersion] = agencyclient.Increment(1)
		return agencyclient.Tx{Ops: ops}
	}
	return map[string]agencyclient.Tx{
		"create database":   version(map[string]any{keys.PlanDatabase("new"): keys.Database{Name: "new"}}),
		"create collection": version(map[string]any{keys.PlanCollection(db, "9"): keys.Collection{Name: "new"}}),
		"finish creation":   version(map[string]any{keys.PlanCollection(db, "200") + "/isBuilding": agencyclient.Delete()}),
		"change properties": version(map[string]any{keys.PlanCollection(db, cid) + "/replicationFactor": 1}),
		"drop collection":   version(map[string]any{keys.PlanCollection(db, cid): agencyclient.Delete()}),
		"drop database":     version(map[string]any{keys.PlanDatabases + "/" + db: agencyclient.Delete(), keys.PlanCollections + "/" + db: agencyclient.Delete()}),
		"register":          version(map[string]any{keys.PlanDBServers + "/PRMR-9": "none"}),
		"remove server":     version(map[string]any{keys.PlanDBServers + "/PRMR-2": agencyclient.Delete()}),
		"by hand":           {Ops: map[string]any{keys.PlanShard(db, cid, "s1"): []string{"PRMR-3"}}},
		"from above":        {Ops: map[string]any{keys.Root: map[string]any{}}},
		"with time to live": {Ops: map[string]any{keys.Plan: agencyclient.SetFor(map[string]any{}, time.Second)}},
		"wrong nonce":       {Ops: map[string]any{keys.PlanVersion: 1}, Pre: map[string]any{keys.HotBackupNonce: "n2"}},
	}
}

// While the agency lock is held Plan stays as it is, bit for bit, whatever fails, is
// asked for or is written; jobs that were pending (a
// foreign tool takes the lock all the same) stand still. After the thaw everything
// is done, jobs in the order of their numbers.
func TestNothingChangesPlanWhileItIsFrozen(t *testing.T) {
	bubbles.Test(t, func(t *testing.T) {
		c := newCluster(t, 6)
		l := goLive(c)
		for i := range 6 {
			c.shard(fmt.Sprintf("s%d", i), 2, name(i%3+1), name((i+1)%3+1))
		}
		stop := l.supervise()
		l.pass(4)
		stop() // so that what follows is there when the freeze begins, undone
		l.do(func(c *cluster) {
			c.requireQuiet()
			pending := c.move("s0", "PRMR-1", "PRMR-4", true)
			c.decide(c.memory, c.root())
			c.requireIn("Pending", pending)
			c.must(agencyclient.Tx{Ops: map[string]any{
				keys.PlanShard(db, cid, "s1"):  []string{"PRMR-2"},                           // one too few
				keys.PlanShard(db, cid, "s3"):  []string{"PRMR-1", "PRMR-2", "PRMR-5"},       // one too many
				keys.PlanShard(db, cid, "s4"):  []string{keys.Resigned + "PRMR-2", "PRMR-3"}, // a resignation of no job
				keys.PlanCollection(db, "200"): keys.Collection{Name: "left", IsBuilding: true, Coordinator: "CRDN-0", CoordinatorRebootID: 1},
			}})
			c.freeze("n1")
			c.move("s1", "PRMR-2", "PRMR-5", true)
			c.todo(keys.Job{Type: keys.JobResignLeadership, Server: "PRMR-1"})
			c.todo(keys.Job{Type: keys.JobCleanOutServer, Server: "PRMR-6"})
			for _, kind := range []string{keys.JobAddFollower, keys.JobRemoveFollower, keys.JobFailedFollower, keys.JobFailedLeader, keys.JobCleanUpLost, "nonsense"} {
				c.todo(keys.Job{Type: kind, Database: db, Collection: cid, Shard: "s2", FromServer: "PRMR-3"})
			}
			c.kill("PRMR-3")
		})
		var plan *fsm.Node
		l.do(func(c *cluster) { plan = c.root().At(keys.Plan) })
		defer l.supervise()()
		for range 7 {
			l.pass(10)
			l.do(func(c *cluster) {
				for what, tx := range writersOfPlan() {
					require.False(t, c.apply(tx), what)
				}
				require.True(t, plan == c.root().At(keys.Plan), "not even replaced by an equal one")
			})
		}
		l.do(func(c *cluster) {
			require.Equal(t, keys.StatusFailed, c.root().At(keys.ServerHealth("PRMR-3")+"/Status").Text(), "its failure is recorded all the same")
			require.Equal(t, 1, c.root().At(keys.TargetPending).Len())
			require.Zero(t, c.root().At(keys.TargetFinished).Len())
			c.thaw()
		})
		l.pass(120)
		l.do(func(c *cluster) {
			c.requireQuiet()
			for _, shard := range c.shards() {
				c.requireServed(shard, 2, "PRMR-3")
			}
			require.False(t, c.root().At(keys.PlanCollection(db, "200")).Exists())
		})
		l.requireOrder(t)
		require.Regexp(t, `now leads s2 of .* because PRMR-3 is FAILED;.*; it was held back for 1m[0-9.]+s, while Plan was frozen`, l.story())
		require.Regexp(t, `now leads s5 of .* because PRMR-3 is FAILED;.*; it was held back for 1[0-9.]+s, while Plan was frozen`, l.story())
	})
}

// A backup that is past its cut holds the lock and has thawed Plan: failovers and moves
// do not wait for its links.
func TestThawedPlanUnderTheLock(t *testing.T) {
	bubbles.Test(t, func(t *testing.T) {
		c := newCluster(t, 4)
		l := goLive(c)
		for i := range 3 {
			c.shard(fmt.Sprintf("s%d", i), 2, name(i%3+1), name((i+1)%3+1))
		}
		defer l.supervise()()
		l.pass(4)
		l.do(func(c *cluster) {
			c.freeze("n1")
			c.kill("PRMR-3")
		})
		l.pass(60)
		l.do(func(c *cluster) {
			require.Equal(t, "PRMR-3", leaderOf(c, "s2"), "Plan is frozen")
			c.must(agencyclient.Tx{Ops: map[string]any{keys.HotBackupThawed: "2026-01-02T03:04:05Z"}})
		})
		l.pass(60)
		l.do(func(c *cluster) {
			require.True(t, c.root().At(keys.HotBackupCreate).Exists())
			for _, shard := range c.shards() {
				c.requireServed(shard, 2, "PRMR-3")
			}
			c.thaw()
		})
	})
}

func leaderOf(c *cluster, shard string) string {
	var servers []string
	require.NoError(c.t, c.root().At(keys.PlanShard(db, cid, shard)).Decode(&servers))
	return servers[0]
}

// requireOrder demands that jobs that people asked for began in order.
func (l *live) requireOrder(t *testing.T) {
	t.Helper()
	last := ""
	for _, e := range l.told {
		if e.Step != "job started" || strings.Contains(e.ID, "-") {
			continue
		}
		require.Less(t, last, e.ID, "%s", l.story()) // all have four digits
		last = e.ID
	}
	require.NotEmpty(t, last)
}

// A job that one leader has begun is ended by the next, wherever it was.
func TestNextLeaderGoesOn(t *testing.T) {
	for seconds := range 8 {
		bubbles.Test(t, func(t *testing.T) {
			c := newCluster(t, 5)
			l := goLive(c)
			for i := range 4 {
				c.shard(fmt.Sprintf("s%d", i), 2, name(i%3+1), name((i+1)%3+1))
			}
			stop := l.supervise()
			l.pass(4)
			var id string
			l.do(func(c *cluster) { id = c.todo(keys.Job{Type: keys.JobCleanOutServer, Server: "PRMR-1"}) })
			l.pass(seconds)
			stop()
			l.do(func(*cluster) { l.transient = fsm.New(0) }) // what an agency leader's memory was
			defer l.supervise()()
			l.pass(40)
			l.do(func(c *cluster) {
				c.requireIn("Finished", id)
				c.requireQuiet()
				for _, shard := range c.shards() {
					c.requireServed(shard, 2, "PRMR-1")
				}
			})
		})
	}
}
