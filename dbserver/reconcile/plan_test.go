package reconcile

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	agencyclient "stasis/agency/client"
	"stasis/fsm"
)

// planCase is a tree, what is on server A, and what must follow.
type planCase struct {
	tree    string
	here    map[string]bool
	create  []string
	drop    []string
	leads   []string // shard.term
	reports []string // keys that are written
}

func TestPlanWork(t *testing.T) {
	const reported = `"Current":{"Databases":{"d":{"A":{"id":"1","name":"d"}}},"Collections":{"d":{"9":{"s1":{"servers":["A"],"failoverCandidates":["A"]}}}}}`
	const database = `"Databases":{"d":{"id":"1","name":"d"}}`
	for name, c := range map[string]planCase{
		"nothing": {tree: `{}`},
		"new": {
			tree:    `{"Plan":{` + database + `,"Collections":{"d":{"9":{"shards":{"s1":["A"],"s2":["B"]},"shardTerms":{"s1":3}}}}}}`,
			create:  []string{"s1"},
			leads:   []string{"s1.3"},
			reports: []string{"/arango/Current/Databases/d/A"},
		},
		"as planned": {
			tree: `{"Plan":{` + database + `,"Collections":{"d":{"9":{"shards":{"s1":["A"]},"shardTerms":{"s1":3}}}}},` + reported + `}`,
			here: map[string]bool{"s1": true}, leads: []string{"s1.3"},
		},
		"higher term": {
			tree: `{"Plan":{` + database + `,"Collections":{"d":{"9":{"shards":{"s1":["A"]},"shardTerms":{"s1":4}}}}},` + reported + `}`,
			here: map[string]bool{"s1": true}, leads: []string{"s1.4"},
		},
		"dropped": {
			tree: `{"Plan":{"Collections":{"d":{}}},` + reported + `}`,
			here: map[string]bool{"s1": true}, drop: []string{"s1"},
			reports: []string{"/arango/Current/Collections/d/9", "/arango/Current/Databases/d"},
		},
		"dropped, others still there": {
			tree:    `{"Plan":{},"Current":{"Databases":{"d":{"A":{},"B":{}}},"Collections":{"d":{"9":{"s1":{"servers":["A"]},"s2":{"servers":["B"]}}}}}}`,
			reports: []string{"/arango/Current/Collections/d/9/s1", "/arango/Current/Databases/d/A"},
		},
		"moved away, and still counted on": {
			tree: `{"Plan":{` + database + `,"Collections":{"d":{"9":{"shards":{"s1":["B"]}}}}},` + reported + `}`,
			here: map[string]bool{"s1": true},
		},
		"moved away": {
			tree: `{"Plan":{` + database + `,"Collections":{"d":{"9":{"shards":{"s1":["B"]}}}}},` + strings.ReplaceAll(reported, `["A"]`, `["B"]`) + `}`,
			here: map[string]bool{"s1": true}, drop: []string{"s1"},
		},
		"led by another": {
			tree: `{"Plan":{` + database + `,"Collections":{"d":{"9":{"shards":{"s1":["B","A"]}}}}},` + reported + `}`,
			here: map[string]bool{"s1": true},
		},
		"a new follower": {
			tree: `{"Plan":{` + database + `,"Collections":{"d":{"9":{"shards":{"s1":["B","A"]}}}}},` + reported + `}`, create: []string{"s1"},
		},
		"to resign": {
			tree: `{"Plan":{` + database + `,"Collections":{"d":{"9":{"shards":{"s1":["_A","B"]},"shardTerms":{"s1":3}}}}},` + reported + `}`,
			here: map[string]bool{"s1": true}, leads: []string{"s1.3"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			root, err := fsm.Parse(json.RawMessage(`{"arango":` + c.tree + `}`))
			require.NoError(t, err)
			w, err := compare(root, "A", slices.Sorted(maps.Keys(c.here)))
			require.NoError(t, err)
			var leads []string
			for _, p := range w.places {
				if p.Leader() == "A" {
					leads = append(leads, fmt.Sprintf("%s.%d", p.Shard, p.Term))
				}
			}
			require.Equal(t, c.create, w.create)
			require.Equal(t, c.leads, leads)
			require.Equal(t, c.drop, w.drop, "what is dropped")
			require.Equal(t, c.reports, writtenBy(t, w.reports))
		})
	}
}

// writtenBy are the keys that reports write; each report raises the version and
// is bound to the epoch.
func writtenBy(t *testing.T, reports []agencyclient.Tx) (written []string) {
	t.Helper()
	for _, tx := range reports {
		require.Contains(t, tx.Ops, "/arango/Current/Version")
		require.Contains(t, tx.Pre, "/arango/Sync/HotBackupRestoreDone")
		require.Len(t, tx.Ops, 2)
		for key := range tx.Ops {
			if key != "/arango/Current/Version" {
				written = append(written, key)
			}
		}
	}
	slices.Sort(written)
	return written
}

// What is not understood stops the work: nothing is dropped on a misreading.
func TestPlanWorkOfNonsense(t *testing.T) {
	root, err := fsm.Parse(json.RawMessage(`{"arango":{"Plan":{"Collections":{"d":{"9":{"shards":7}}}}}}`))
	require.NoError(t, err)
	_, err = compare(root, "A", []string{"s1"})
	require.Error(t, err)
}
