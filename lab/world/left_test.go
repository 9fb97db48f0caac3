package world

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	agencyclient "stasis/agency/client"
	"stasis/agency/keys"
	"stasis/fsm"
	"stasis/minicluster"
)

// agencyWith is the agency's tree with values at keys.
func agencyWith(t *testing.T, values map[string]any) *agencyclient.Node {
	tree := map[string]any{}
	for key, value := range values {
		at, path := tree, strings.Split(strings.Trim(key, "/"), "/")
		for _, name := range path[:len(path)-1] {
			if at[name] == nil {
				at[name] = map[string]any{}
			}
			at = at[name].(map[string]any)
		}
		at[path[len(path)-1]] = value
	}
	raw, err := json.Marshal(tree)
	require.NoError(t, err)
	root, err := fsm.Parse(raw)
	require.NoError(t, err)
	return root
}

// What operations leave in the agency is listed by what it is.
func TestWhatIsLeftInTheAgency(t *testing.T) {
	servers := []minicluster.Node{{Name: "dbserver-1", ID: "PRMR-1"}, {Name: "dbserver-2"}}
	look := func(values map[string]any) []string {
		found, err := agencyLeft(agencyWith(t, values), servers)
		require.NoError(t, err)
		return found
	}
	require.Empty(t, look(nil))
	require.Equal(t, []string{"the agency lock is held: no holder is noted"}, look(map[string]any{keys.HotBackupCreate: "x"}))
	require.Equal(t, []string{"n waits for the agency lock"}, look(map[string]any{keys.HotBackupWaiting + "/n": 1}))
	require.Equal(t, []string{"7 is a job that is to be done"}, look(map[string]any{keys.TargetToDo + "/7": 1}))
	require.Equal(t, []string{"7 is a job that is not finished"}, look(map[string]any{keys.TargetPending + "/7": 1}))
	require.Equal(t, []string{"dbserver-1 has not removed its piece of b, which was deleted"}, look(map[string]any{keys.HotBackupDeletion("PRMR-1", "b"): 1}))
	require.Empty(t, look(map[string]any{keys.HotBackupDeletion("PRMR-9", "b"): 1}), "it is not there to remove it")

	require.Equal(t, []string{"the Upload 1 of backup b is not finished"}, look(map[string]any{keys.TransferJobKey("1"): keys.TransferJob{
		Kind: "Upload", BackupID: "b", DBServers: map[string]keys.TransferEntry{"PRMR-1": {Status: keys.TransferAck}},
	}}))
	lock := keys.TransferLock(keys.TransferLocation("Upload", "lab:x", "b", "PRMR-1"))
	require.Equal(t, []string{"the transfer 1 holds the lock of Upload lab:x b PRMR-1"}, look(map[string]any{lock: "1"}))
	require.Empty(t, look(map[string]any{keys.HotBackupLocks: map[string]any{"Upload": map[string]any{"lab:x": map[string]any{}}}}), "folders of locks that were released stay")
}

// What is there and cannot be read is not nothing.
func TestWhatCannotBeReadIsNotNothing(t *testing.T) {
	for key, value := range map[string]any{
		keys.HotBackupWaiting: 7, keys.TargetToDo: "x", keys.TargetPending: []int{1}, keys.HotBackupDeleted + "/PRMR-1": true,
		keys.HotBackupJobs: map[string]any{"1": map[string]any{"DBServers": "none"}},
	} {
		_, err := agencyLeft(agencyWith(t, map[string]any{key: value}), []minicluster.Node{{Name: "dbserver-1", ID: "PRMR-1"}})
		require.ErrorContains(t, err, key)
	}
}
