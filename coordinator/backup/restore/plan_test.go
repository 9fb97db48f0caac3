package restore

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"stasis/agency/keys"
	"stasis/coordinator/backup/topology"
)

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
func TestRestorePlanChangesServerListsAndTerms(t *testing.T) {
	plan, err := topology.ParseDump(json.RawMessage(someDump))
	require.NoError(t, err)
	require.ElementsMatch(t, []string{"PRMR-a", "PRMR-b"}, plan.DBServers)
	require.EqualValues(t, 500, plan.LatestID)
	require.NoError(t, place(plan, map[string]string{"PRMR-a": "PRMR-x", "PRMR-b": "PRMR-a"}))
	for want, got := range map[string]any{
		`{"_system":{"id":"1","name":"_system"},"PRMR-a":{"id":"2","name":"PRMR-a"}}`: plan.Databases,
		`{"_system":{"10":{"id":"10","name":"PRMR-a","big":9007199254740993,"shardKeys":["PRMR-a"],"keyOptions":{"type":"PRMR-b"},
			"shards":{"PRMR-a":["PRMR-x","PRMR-a"],"s2":["PRMR-a"],"s3":["PRMR-gone"]},"shardTerms":{"PRMR-a":4,"s2":1,"s3":1}},
			"12":{"id":"12","distributeShardsLike":"10"}}}`: plan.Collections,
		`{"_system":{}}`: plan.Views,
		`{}`:             plan.Analyzers,
	} {
		raw, err := json.Marshal(got)
		require.NoError(t, err)
		require.JSONEq(t, want, string(raw))
	}
	raw, err := json.Marshal(plan.Collections)
	require.NoError(t, err)
	require.Contains(t, string(raw), "9007199254740993")
}

func TestRestorePlanRefusesWhatIsNoDump(t *testing.T) {
	for _, raw := range []string{``, `{}`, `[]`, `[{}]`, `[{"arango":{}}]`, `[{"arango":{"Plan":{"Collections":[]}}}]`, `[{"arango":{"Plan":{}}},{}]`} {
		_, err := topology.ParseDump(json.RawMessage(raw))
		require.Error(t, err, raw)
	}
	for _, collections := range []string{`{"d":1}`, `{"d":{"1":2}}`, `{"d":{"1":{"shards":{"s":1}}}}`} {
		plan, err := topology.ParseDump(json.RawMessage(`[{"arango":{"Plan":{"Databases":{"d":{}},"Collections":` + collections + `}}}]`))
		require.NoError(t, err)
		require.Error(t, place(plan, nil), collections)
	}
}

// The id counter goes forward by what is missing, so that ids which others take
// meanwhile are safe, and never back.
func TestIDCounterNeverGoesBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		dump := rapid.Uint64Range(0, 1000).Draw(t, "dump")
		now := rapid.Uint64Range(0, 2*idMargin).Draw(t, "now")
		meanwhile := rapid.Uint64Range(0, 100).Draw(t, "meanwhile")
		tx := transaction(&topology.Stored{LatestID: dump}, nil, &topology.Cluster{LatestID: now}, keys.Restore{Epoch: 1, Nonce: "n"})
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
		require.Greater(t, after, dump+1000*10*(1<<18), "a thousand coordinators reserve ten blocks each between the dump and the cut")
		require.GreaterOrEqual(t, after, now+meanwhile)
	})
}
