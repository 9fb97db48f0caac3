package restore

import (
	"testing"

	"github.com/stretchr/testify/require"

	"stasis/agency/agencytest"
	agencyclient "stasis/agency/client"
	"stasis/agency/keys"
)

// The recovery leaves the lock of a backup alone.
func TestRecoveryLeavesBackupsAlone(t *testing.T) {
	a := agencytest.New()
	_, err := a.Apply(agencyclient.Tx{Ops: map[string]any{
		keys.HotBackupCreate:  "t",
		keys.HotBackupHolder:  keys.Holder{Operation: keys.OperationCreate, Coordinator: "CRDN-gone", Nonce: "n"},
		keys.HotBackupRestore: keys.Restore{Nonce: "n"},
	}})
	require.NoError(t, err)
	require.Empty(t, orphan(a.Snapshot().Root))
}
