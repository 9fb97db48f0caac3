package keys

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"stasis/fsm"
)

func TestPaths(t *testing.T) {
	for want, got := range map[string]string{
		"/arango/Plan/Databases/db":                   PlanDatabase("db"),
		"/arango/Plan/Collections/db/10001":           PlanCollection("db", "10001"),
		"/arango/Current/Collections/db/10001/s10002": CurrentShard("db", "10001", ShardName(10002)),
		"/arango/Current/Databases/db/PRMR-1":         CurrentDatabase("db", "PRMR-1"),
		"/arango/Current/ServersKnown/PRMR-1":         ServerKnown("PRMR-1"),
		"/arango/Current/ServersRegistered/PRMR-1":    ServerRegistered("PRMR-1"),
		"/arango/Target/HotBackup/Committed/2026_x":   HotBackupCommit("2026_x"),
		"/arango/Sync/HotBackupRestoreDone":           RestoreEpoch,
		"/arango/Supervision/Health":                  Health,
		"/arango/Target/FailedServers":                FailedServers,
		"/arango/Target/MapUniqueToShortID":           ShortIDs,
		"/arango/Target/LatestDBServerId":             LatestDBServer,
		"/arango/Target/LatestCoordinatorId":          LatestCoord,
		"/arango/Sync/ServerStates":                   ServerStates,
		"/arango/Sync/LatestID":                       LatestID,
		"/arango/Current/DBServers":                   CurrentDBServers,
		"/arango/Plan/Coordinators":                   PlanCoordinators,
		"/arango/Target/HotBackup/Holder/beat":        HotBackupBeat,
		"/arango/Target/HotBackup/Holder/phase":       HotBackupPhase,
		"/arango/Target/HotBackup/Holder/thawed":      HotBackupThawed,
		"/arango/Agency/Definition":                   AgencyDefinition,
		"/arango/Supervision/State":                   SupervisionState,
	} {
		require.Equal(t, want, got)
	}
}

// The attributes that other keys name, and those that clients of ArangoDB
// read, have exactly these names.
func TestRecordsOnTheWire(t *testing.T) {
	for want, record := range map[string]any{
		`{"id":"b","operation":"create","coordinator":"C","rebootId":2,"nonce":"n","since":"s","leaseSeconds":1.5,"beat":3}`: Holder{"b", OperationCreate, "C", 2, "n", "s", 1.5, 3, "", ""},
		`{"rebootId":2,"epoch":1}`:        Known{2, 1, 0},
		`{"time":"t","status":"SERVING"}`: Heartbeat{Time: "t", Status: "SERVING"},
		`{"time":"t","status":"SERVING","disk":{"hangs":"since s","rebootId":2,"leases":3}}`: Heartbeat{"t", "SERVING", &HungDisk{"since s", 2, 3}},
		`{"TransactionID":1,"ShortName":"DBServer0001"}`:                                     ShortID{1, "DBServer0001"},
		`{"id":"1","name":"db","sharding":"","replicationFactor":1,"writeConcern":1,"isBuilding":true,"coordinator":"C","coordinatorRebootId":2}`: Database{
			ID: "1", Name: "db", ReplicationFactor: 1, WriteConcern: 1, IsBuilding: true, Coordinator: "C", CoordinatorRebootID: 2,
		},
	} {
		got, err := json.Marshal(record)
		require.NoError(t, err)
		require.JSONEq(t, want, string(got))
	}
	// A finished creation carries none of the three attributes that mark it.
	got, err := json.Marshal(Collection{Name: "books"})
	require.NoError(t, err)
	require.NotContains(t, string(got), "isBuilding")
	require.NotContains(t, string(got), "oordinator")
}

// The state machine spells the keys of the freeze itself, because it imports
// nothing. They are these.
func TestFreezeIsAboutTheseKeys(t *testing.T) {
	m, none := fsm.New(0), map[string]any{}
	apply := func(ops, pre map[string]any) error {
		raw, err := json.Marshal([]any{ops, pre})
		require.NoError(t, err)
		tx, err := fsm.ParseTransaction(raw)
		require.NoError(t, err)
		return m.Apply(1, fsm.Command{Transactions: []fsm.Transaction{tx}})[0].Reason
	}
	require.NoError(t, apply(map[string]any{HotBackupCreate: "now", HotBackupHolder: Holder{Nonce: "n"}}, none))
	change := map[string]any{PlanVersion: 1}
	require.ErrorIs(t, apply(change, none), fsm.ErrFrozen)
	require.ErrorIs(t, apply(change, map[string]any{HotBackupNonce: "other"}), fsm.ErrPrecondition)
	require.NoError(t, apply(change, map[string]any{HotBackupNonce: "n"}))
	require.NoError(t, apply(map[string]any{CurrentVersion: 1}, none))
	require.NoError(t, apply(map[string]any{HotBackupThawed: "now"}, none))
	require.NoError(t, apply(change, none))
}

// Who is trusted to have every acknowledged record: the process that was reported as in sync;
// after a restore who was in sync at the cut, in any process, or if that is not known no server.
func TestTrust(t *testing.T) {
	reported := CurrentShardReport{Servers: []string{"_a", "b"}, Reboots: map[string]uint64{"a": 1, "b": 2, "gone": 3}}
	require.True(t, reported.Trusts("a", 1))
	require.False(t, reported.Trusts("b", 1))
	require.False(t, reported.Trusts("gone", 3))
	require.False(t, reported.Trusts("c", 0))
	require.False(t, reported.Unsure())
	restored := CurrentShardReport{Servers: []string{"a", "b"}, Restored: &RestoredShard{Known: true}}
	require.True(t, restored.Trusts("b", 17))
	require.False(t, restored.Trusts("c", 17))
	require.False(t, restored.Unsure())
	restored.Restored.Known = false
	require.False(t, restored.Trusts("b", 17))
	require.True(t, restored.Unsure())
}
