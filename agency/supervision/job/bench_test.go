package job_test

import (
	"fmt"
	"testing"
	"time"

	agencyclient "stasis/agency/client"
	"stasis/agency/keys"
	"stasis/agency/supervision/job"
)

// A pass over a quiet cluster of ten thousand shards.
func BenchmarkQuietPass(b *testing.B) {
	c := newCluster(b, 9)
	for i := range 1000 {
		shards, terms, reports := map[string][]string{}, map[string]uint64{}, map[string]any{}
		for k := range 10 {
			shard := fmt.Sprintf("s%d-%d", i, k)
			servers := []string{name((i+k)%9 + 1), name((i+k+1)%9 + 1), name((i+k+2)%9 + 1)}
			shards[shard], terms[shard] = servers, 1
			reports[shard] = keys.CurrentShardReport{
				Servers: servers, Term: 1, Reboots: map[string]uint64{servers[0]: 1, servers[1]: 1, servers[2]: 1},
			}
		}
		id := fmt.Sprint(1000 + i)
		c.must(agencyclient.Tx{Ops: map[string]any{
			keys.PlanCollection(db, id):                   keys.Collection{Name: "c" + id, ReplicationFactor: 3, Shards: shards, ShardTerms: terms},
			keys.CurrentCollections + "/" + db + "/" + id: reports,
		}})
	}
	m, root := job.NewMemory(nil), c.root()
	job.Next(root, m, time.Now(), job.Timeouts{})
	for b.Loop() {
		if n := len(job.Next(root, m, time.Now(), job.Timeouts{})); n != 0 {
			b.Fatal(n, "decisions on a quiet cluster")
		}
	}
}
