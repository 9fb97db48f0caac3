package restore

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"stasis/client/certificate"
	"stasis/coordinator/backup/topology"
	dbclient "stasis/dbserver/client"
	"stasis/internal/apierror"
)

// A shard is refused, before anything changes, if a piece that may be the only good one is
// not there.
func TestRestoreRefusesAShardWithoutAPieceInSync(t *testing.T) {
	const dump = `[{"arango":{"Plan":{"DBServers":{"a":"none","b":"none"},"Databases":{"d":{}},
		"Collections":{"d":{"1":{"shards":{"s1":["a","gone"]},"shardTerms":{"s1":3}}}}}}}]`
	for name, c := range map[string]struct {
		cert *certificate.Certificate
		says string
	}{
		"the one in sync has none":  {&certificate.Certificate{Format: 2, Shards: map[string]dbclient.ShardStatement{"s1": {InSync: []string{"gone"}}}}, "shard s1 of d/1: gone may have had the only replica"},
		"none of them was in sync":  {&certificate.Certificate{Format: 2, Shards: map[string]dbclient.ShardStatement{"s1": {InSync: []string{"other"}}}}, "none of its planned replicas [a gone] was in sync"},
		"one has none, format 1":    {&certificate.Certificate{Format: 1}, "gone may have had the only replica"},
		"one has none, no evidence": {nil, "gone may have had the only replica"},
	} {
		t.Run(name, func(t *testing.T) {
			plan, err := topology.ParseDump(json.RawMessage(dump))
			require.NoError(t, err)
			_, err = reportsOf(plan, c.cert, map[string]string{"a": "x", "b": "y"}, "id")
			require.ErrorIs(t, err, apierror.BackupTopology)
			require.ErrorContains(t, err, c.says)
		})
	}
}
