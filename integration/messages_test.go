package integration

import (
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stasis/coordinator/backup"
	dbclient "stasis/dbserver/client"
	"stasis/fault"
	"stasis/lab/world"
)

// shards begins the paths of requests about any shard.
const shards = dbclient.PathPrefix + "/shards/*/"

// tempers are networks that break messages. Each is one that a deployment can meet: proxies that send a request again,
// connections that break behind a request, packets that take different ways.
var tempers = map[string][]fault.Message{
	"every command to a DB server twice": {
		{Path: shards + "documents", Do: fault.Duplicate, By: 700 * time.Millisecond},
		{Path: dbclient.PathSession, Do: fault.Duplicate},
		{Path: shards + "accept", Do: fault.Duplicate},
		{Path: shards + "accept", Do: fault.Duplicate, By: 3 * time.Second},
		{Path: dbclient.PathPrefix + "/gate/", Do: fault.Duplicate, By: 20 * time.Millisecond},
		{Path: dbclient.PathPrefix + "/backup/", Do: fault.Duplicate},
		{Path: dbclient.PathPrefix + "/backup/", Do: fault.Duplicate, By: 4 * time.Second},
	},
	"every request to an agent twice": {
		{Path: "/_api/agency/", Do: fault.Duplicate, By: 10 * time.Millisecond},
		{Path: "raft/", Do: fault.Duplicate, By: 30 * time.Millisecond},
	},
	"answers lost": {
		{Path: dbclient.PathPrefix, Do: fault.LoseAnswer, Every: 23, By: 300 * time.Millisecond},
		{Path: "/_api/agency/", Do: fault.LoseAnswer, Every: 13, By: 300 * time.Millisecond},
		{Path: "raft/AppendEntries", Do: fault.LoseAnswer, Every: 9, By: 50 * time.Millisecond},
	},
	"requests lost": {
		{Path: dbclient.PathPrefix, Do: fault.LoseRequest, Every: 23, By: 300 * time.Millisecond},
		{Path: "/_api/agency/", Do: fault.LoseRequest, Every: 13, By: 300 * time.Millisecond},
		{Path: "raft/", Do: fault.LoseRequest, Every: 9, By: 50 * time.Millisecond},
	},
	"replication out of order": {
		{Path: shards + "accept", Do: fault.Reorder, By: 300 * time.Millisecond},
		{Path: shards + "documents", Do: fault.Reorder, By: 300 * time.Millisecond},
		{Path: "raft/AppendEntries", Do: fault.Reorder, By: 50 * time.Millisecond},
	},
	"requests that arrive when their callers have given up": {
		{Path: dbclient.PathPrefix, Do: fault.DelayIt, Every: 31, By: 12 * time.Second},
		{Path: "/_api/agency/", Do: fault.DelayIt, Every: 11, By: 4 * time.Second},
	},
}

// Clients read and write, and backups are made, while messages between servers are lost, arrive twice, late or in another
// order. What the clients saw has an order in which it makes sense, the replicas become identical, backups that
// were acknowledged are whole, and nothing of the others is left.
func TestMessagesAreBroken(t *testing.T) {
	for name, rules := range tempers {
		t.Run(name, func(t *testing.T) {
			for seed := range seeds(1, 50) {
				inBubbleOf(t, distant, seed, func(b *bubble) { brokenMessages(b, rules) })
			}
		})
	}
}

// distant is a cluster whose messages take some time.
var distant = world.Config{
	Agents: 3, DBServers: 3, Coordinators: 2, LatencyLeast: 100 * time.Microsecond, LatencyMost: time.Millisecond,
}

func brokenMessages(b *bubble, rules []fault.Message) {
	require.NoError(b.t, createReplicated(b.t.Context(), b.clients[0], "c", 6, 3, 1))
	b.heal()
	var all []world.Met
	for _, m := range rules {
		all = append(all, b.met(b.Network().Message(m)))
	}
	r, window := newRecorder(), &atomic.Int64{}
	stop := b.work(r, "c", window)
	var made []string
	backups := scale(3, 4)
	for i := range backups {
		time.Sleep(3 * time.Second)
		var result backup.CreateResult
		body := map[string]any{"label": fmt.Sprint("n", i), "timeout": 60}
		if err := b.clients[i%2].Backup(b.t.Context(), "create", body, &result); err != nil {
			b.t.Logf("backup %d: %v", i, err)
		} else {
			made = append(made, result.ID)
		}
		window.Add(1)
	}
	for i, rule := range all {
		require.NotZero(b.t, rule.Met(), "%s: the fault did not happen", rules[i])
		b.t.Logf("%s: met %d times", rules[i], rule.Met())
	}
	b.net.HealAll()
	time.Sleep(2 * time.Second)
	stop()
	b.heal()
	b.t.Logf("%v, %d of %d backups", r.fates, len(made), backups)
	require.NotZero(b.t, r.fates[done], "the clients did nothing")
	readEvery(b.t, r, b.clients[0], "c")
	r.check(b.t)
	listed := listBackups(b.t, b.clients[1])
	for _, id := range made {
		require.True(b.t, listed[id].Available, "an acknowledged backup %s: %+v", id, listed[id])
	}
	for id := range listed { // also those whose create had no answer
		require.True(b.t, listed[id].Available, "%s: %+v", id, listed[id])
		var verified backup.VerifyResult
		require.NoError(b.t, b.clients[0].Backup(b.t.Context(), "verify", map[string]any{"id": id}, &verified))
	}
	require.Nil(b.t, status(b.t, b.clients[1]).Lock)
	b.nothingLeft(5 * time.Minute)
}
