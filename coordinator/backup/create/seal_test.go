package create

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"stasis/coordinator/backup/certificate"
	"stasis/coordinator/backup/topology"
)

// Before its commit a create compares the statements of the leaders with Plan once more.
func TestShardWithoutAStatement(t *testing.T) {
	cert := &certificate.Certificate{Format: certificate.Format}
	c := &creation{marked: true, shards: map[string]topology.Shard{"s7": {Name: "s7", Servers: []string{"a"}}}}
	require.Contains(t, strings.Join(c.doubts(cert), "; "), "shard s7 of /: no leader has stated who was in sync")
}
