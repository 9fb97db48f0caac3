package backup

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"stasis/internal/apierror"
)

func TestMatch(t *testing.T) {
	for _, c := range []struct {
		name            string
		backup, cluster []string
		want            map[string]string
	}{
		{"same", []string{"a", "b"}, []string{"a", "b"}, map[string]string{"a": "a", "b": "b"}},
		{"all other", []string{"a", "b"}, []string{"y", "x"}, map[string]string{"x": "a", "y": "b"}},
		{"one replaced", []string{"a", "b", "c"}, []string{"a", "c", "z"}, map[string]string{"a": "a", "c": "c", "z": "b"}},
		{"replaced by a smaller id", []string{"b", "c"}, []string{"a", "c"}, map[string]string{"a": "b", "c": "c"}},
		{"more now", []string{"a"}, []string{"a", "b", "c"}, map[string]string{"a": "a", "b": "", "c": ""}},
		{"more now, none the same", []string{"m"}, []string{"z", "y"}, map[string]string{"y": "m", "z": ""}},
		{"nothing", nil, []string{"a"}, map[string]string{"a": ""}},
		{"twice the same", []string{"a", "a"}, []string{"a"}, map[string]string{"a": "a"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := Match(c.backup, c.cluster)
			require.NoError(t, err)
			require.Equal(t, c.want, got)
		})
	}
	_, err := Match([]string{"a", "b"}, []string{"a"})
	require.ErrorIs(t, err, apierror.BackupTopology)
	require.ErrorContains(t, err, "2 DB servers, the cluster only 1")
}

// The answer depends on the sets alone: a download and a restore compute it
// separately.
func TestMatchIsCanonical(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		id := rapid.StringMatching(`[a-d]{1,2}`)
		cluster := rapid.SliceOfDistinct(id, rapid.ID[string]).Draw(t, "cluster")
		backup := rapid.SliceOfNDistinct(id, 0, len(cluster), rapid.ID[string]).Draw(t, "backup")
		before := slices.Clone(cluster)
		got, err := Match(backup, cluster)
		require.NoError(t, err)
		require.Equal(t, before, cluster, "the input was changed")

		seed := rapid.Uint64().Draw(t, "seed")
		shuffle := rand.New(rand.NewPCG(seed, 1))
		shuffle.Shuffle(len(cluster), func(i, j int) { cluster[i], cluster[j] = cluster[j], cluster[i] })
		shuffle.Shuffle(len(backup), func(i, j int) { backup[i], backup[j] = backup[j], backup[i] })
		again, err := Match(backup, cluster)
		require.NoError(t, err)
		require.Equal(t, got, again)

		placed := inverse(got)
		require.Len(t, placed, len(backup), "every piece is taken exactly once")
		require.ElementsMatch(t, cluster, slices.Collect(maps.Keys(got)))
		for _, b := range backup {
			require.Contains(t, placed, b)
			if slices.Contains(cluster, b) {
				require.Equal(t, b, placed[b], "equal ids match themselves")
			}
		}
	})
}

const someDump = `[{"arango":{"Plan":{
	"Version":7,"DBServers":{"PRMR-a":"none","PRMR-b":"none"},"Coordinators":{"PRMR-a":"none"},
	"Databases":{"_system":{"id":"1","name":"_system"},"PRMR-a":{"id":"2","name":"PRMR-a"},"half":{"name":"half","isBuilding":true,"coordinator":"c"}},
	"Collections":{
		"_system":{"10":{"id":"10","name":"PRMR-a","big":9007199254740993,"shardKeys":["PRMR-a"],"keyOptions":{"type":"PRMR-b"},
			"shards":{"PRMR-a":["PRMR-a","PRMR-b"],"s2":["_PRMR-b"],"s3":["PRMR-gone"]},"shardTerms":{"PRMR-a":3}},
			"11":{"id":"11","isBuilding":true,"shards":{}},
			"12":{"id":"12","distributeShardsLike":"10"}},
		"half":{"13":{"id":"13","shards":{}}}},
	"Views":{"_system":{}}},"Sync":{"LatestID":500}}}]`

// Ids are replaced where a server stands and nowhere else, and every term is raised;
// what was half built is left out; other numbers stay as they are.
func TestReplanChangesServerListsAndTerms(t *testing.T) {
	plan, err := parseDump(json.RawMessage(someDump))
	require.NoError(t, err)
	require.ElementsMatch(t, []string{"PRMR-a", "PRMR-b"}, plan.DBServers)
	require.EqualValues(t, 500, plan.LatestID)
	require.NoError(t, plan.forServers(map[string]string{"PRMR-a": "PRMR-x", "PRMR-b": "PRMR-a"}))
	for want, got := range map[string]any{
		`{"_system":{"id":"1","name":"_system"},"PRMR-a":{"id":"2","name":"PRMR-a"}}`: plan.databases,
		`{"_system":{"10":{"id":"10","name":"PRMR-a","big":9007199254740993,"shardKeys":["PRMR-a"],"keyOptions":{"type":"PRMR-b"},
			"shards":{"PRMR-a":["PRMR-x","PRMR-a"],"s2":["PRMR-a"],"s3":["PRMR-gone"]},"shardTerms":{"PRMR-a":4,"s2":1,"s3":1}},
			"12":{"id":"12","distributeShardsLike":"10"}}}`: plan.collections,
		`{"_system":{}}`: plan.views,
		`{}`:             plan.analyzers,
	} {
		raw, err := json.Marshal(got)
		require.NoError(t, err)
		require.JSONEq(t, want, string(raw))
	}
	raw, err := json.Marshal(plan.collections)
	require.NoError(t, err)
	require.Contains(t, string(raw), "9007199254740993")
}

func TestReplanRefusesWhatIsNoDump(t *testing.T) {
	for _, raw := range []string{``, `{}`, `[]`, `[{}]`, `[{"arango":{}}]`, `[{"arango":{"Plan":{"Collections":[]}}}]`, `[{"arango":{"Plan":{}}},{}]`} {
		_, err := parseDump(json.RawMessage(raw))
		require.Error(t, err, raw)
	}
	for _, collections := range []string{`{"d":1}`, `{"d":{"1":2}}`, `{"d":{"1":{"shards":{"s":1}}}}`} {
		plan, err := parseDump(json.RawMessage(`[{"arango":{"Plan":{"Databases":{"d":{}},"Collections":` + collections + `}}}]`))
		require.NoError(t, err)
		require.Error(t, plan.forServers(nil), collections)
	}
}

// The id counter goes forward by what is missing, so that ids which others take
// meanwhile are safe, and never back.
func TestIDCounterNeverGoesBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		dump := rapid.Uint64Range(0, 1000).Draw(t, "dump")
		now := rapid.Uint64Range(0, 2*idMargin).Draw(t, "now")
		meanwhile := rapid.Uint64Range(0, 100).Draw(t, "meanwhile")
		tx := (&storedPlan{LatestID: dump}).switchPlan(&cluster{latestID: now}, restoreRecord())
		after := now + meanwhile
		if op, raised := tx.Ops["/arango/Sync/LatestID"]; raised {
			raw, err := json.Marshal(op)
			require.NoError(t, err)
			var step struct {
				Op   string `json:"op"`
				Step uint64 `json:"step"`
			}
			require.NoError(t, json.Unmarshal(raw, &step))
			require.Equal(t, "increment", step.Op)
			after += step.Step
		}
		require.GreaterOrEqual(t, after, dump+idMargin)
		require.GreaterOrEqual(t, after, now+meanwhile)
	})
}

func TestVersionRule(t *testing.T) {
	for _, c := range []struct {
		backup, cluster string
		good            bool
	}{
		{"3.12.5", "3.12.5", true}, {"3.12.9", "3.12.1", true}, {"3.11.0", "3.12.0", true},
		{"3.13.0", "3.12.5", false}, {"2.12.5", "3.12.5", false}, {"4.0.0", "3.12.5", false},
		{"3.9.1", "3.12.5", true}, {"3.12", "3.12.5", true}, {"3", "3.12.5", false}, {"", "3.12.5", false}, {"x.y.z", "3.12.5", false},
	} {
		err := checkVersion(c.backup, c.cluster)
		require.Equal(t, c.good, err == nil, fmt.Sprint(c, err))
	}
}
