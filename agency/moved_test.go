package agency

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	agencyclient "stasis/agency/client"
	"stasis/agency/keys"
	"stasis/agency/recovery"
)

// TestRecoveryRaisesTerms: an entry that is lost may have given a shard a term, and the
// replicas have promised it, or ids, and documents have them. What a recovery gives is higher, also after a second one
// from the same file, and also while Plan is frozen.
func TestRecoveryRaisesTerms(t *testing.T) {
	inBubble(t, 3, Timing{}, func(t *testing.T, c *cluster) {
		leader, held := c.leader(), `"/arango/Target/HotBackup/Create":"now","/arango/Target/HotBackup/Holder":{"nonce":"n"}`
		plan := `"/arango/Plan/Collections/db/1":{"shardTerms":{"s1":1,"s2":3},"shards":{"s1":["A"],"s2":["A"]}},"/arango/Plan/Collections/db/2":{"id":"2"}`
		require.Equal(t, http.StatusOK, c.ask(leader, "write", `[[{`+plan+`,`+held+`,"/arango/Sync/LatestID":100}]]`).status)
		saver := agencyclient.New(agencyclient.Options{Endpoints: []string{"http://" + c.peers["AGNT-"+leader]}, HTTP: c.http})
		saved, _, err := saver.Snapshot(t.Context())
		require.NoError(t, err)
		terms := func(name string, by int) {
			t.Helper()
			c.start(name)
			require.Equal(t, name, c.leader())
			var got []struct {
				Arango struct {
					Plan struct {
						Collections map[string]map[string]keys.Collection
					}
				}
			}
			require.NoError(t, decode(c.ask(name, "read", `[["/arango/Plan"]]`), &got))
			want := map[string]uint64{"s1": 1 + uint64(by)*keys.RecoveryStep, "s2": 3 + uint64(by)*keys.RecoveryStep}
			require.Equal(t, want, got[0].Arango.Plan.Collections["db"]["1"].ShardTerms, "a term that replicas may have promised comes again")
			ids, err := agencyclient.ReserveIDs(t.Context(), agencyclient.New(agencyclient.Options{Endpoints: []string{"http://" + c.peers["AGNT-"+name]}, HTTP: c.http}), 1)
			require.NoError(t, err)
			require.EqualValues(t, 101+by*keys.RecoveryStep, ids, "an id comes again")
		}
		c.kill("a")
		stores := c.stores["a"]
		c.wipe("b", "c")
		_, err = recovery.Recover(recovery.Options{Dir: memoryDir, FS: stores.FS(), Logger: logger(t)})
		require.NoError(t, err)
		terms("a", 1)

		c.wipe("a")
		_, err = recovery.Restore(saved, recovery.RestoreOptions{Dir: memoryDir, FS: c.stores["a"].FS(), ID: "AGNT-a", Incarnation: 3})
		require.NoError(t, err)
		terms("a", 2)
	})
}
