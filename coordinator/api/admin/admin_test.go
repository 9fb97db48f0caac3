package admin

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	agencyclient "stasis/agency/client"
	"stasis/agency/keys"
	"stasis/internal/bubbles"
	"stasis/internal/wall"
)

// Jobs are checked against Plan, with ids or short names, and written as the
// supervision takes them.
func TestJobsAreCreated(t *testing.T) {
	for _, test := range []struct {
		path, body string
		want       keys.Job
	}{
		{"moveShard", `{"collection":"books","shard":"s11","fromServer":"PRMR-A","toServer":"PRMR-C"}`,
			keys.Job{Type: "moveShard", Database: "_system", Collection: "10", Shard: "s11", FromServer: "PRMR-A", ToServer: "PRMR-C", IsLeader: true}},
		{"moveShard", `{"database":"_system","collection":"10","shard":"s11","fromServer":"DBServer0002","toServer":"DBServer0003"}`,
			keys.Job{Type: "moveShard", Database: "_system", Collection: "10", Shard: "s11", FromServer: "PRMR-B", ToServer: "PRMR-C"}},
		{"moveShard", `{"collection":"books","shard":"s11","fromServer":"PRMR-A","toServer":"PRMR-B"}`, // B has a replica: only the lead moves
			keys.Job{Type: "moveShard", Database: "_system", Collection: "10", Shard: "s11", FromServer: "PRMR-A", ToServer: "PRMR-B", IsLeader: true, RemainsFollower: true}},
		{"moveShard", `{"collection":"books","shard":"s11","fromServer":"PRMR-A","toServer":"PRMR-B","remainsFollower":true}`,
			keys.Job{Type: "moveShard", Database: "_system", Collection: "10", Shard: "s11", FromServer: "PRMR-A", ToServer: "PRMR-B", IsLeader: true, RemainsFollower: true}},
		{"cleanOutServer", `{"server":"PRMR-A"}`, keys.Job{Type: "cleanOutServer", Server: "PRMR-A"}},
		{"cleanOutServer", `"DBServer0003"`, keys.Job{Type: "cleanOutServer", Server: "PRMR-C"}},
		{"resignLeadership", `{"server":"DBServer0001","undoMoves":true}`, keys.Job{Type: "resignLeadership", Server: "PRMR-A", UndoMoves: true}},
	} {
		w := newWorld(t)
		a := w.do("POST", test.path, test.body)
		w.want(a, 202, 0)
		require.EqualValues(t, 202, a.fields["code"])
		id := a.fields["id"].(string)
		job := w.job(keys.TargetToDo, id)
		_, err := time.Parse(time.RFC3339, job.TimeCreated)
		require.NoError(t, err)
		test.want.JobID, test.want.Creator, test.want.TimeCreated = id, "CRDN-1", job.TimeCreated
		require.Equal(t, test.want, job)
		plan, _ := w.at(keys.PlanVersion).Int()
		require.EqualValues(t, 1, plan, "a job is no change of Plan")

		a = w.do("GET", "queryAgencyJob?id="+id, "")
		w.want(a, 200, 0)
		require.Equal(t, "ToDo", a.fields["status"])
		require.Equal(t, id, a.fields["job"])
		require.Equal(t, job.Type, a.fields["type"])
	}
}

func TestWrongRequests(t *testing.T) {
	w := newWorld(t)
	w.set(map[string]any{keys.PlanCollection("_system", "10") + "/shards/s12": []string{"_PRMR-B", "PRMR-C"}})
	moveOf := func(shard, from, to string) string {
		return fmt.Sprintf(`{"collection":"books","shard":%q,"fromServer":%q,"toServer":%q}`, shard, from, to)
	}
	for _, test := range []struct {
		method, path, body string
		status, num        int
	}{
		{"POST", "moveShard", moveOf("s99", "PRMR-A", "PRMR-C"), 404, 404},
		{"POST", "moveShard", moveOf("s11", "PRMR-X", "PRMR-C"), 404, 404},
		{"POST", "moveShard", moveOf("s11", "PRMR-A", "PRMR-X"), 404, 404},
		{"POST", "moveShard", moveOf("s11", "PRMR-A", "CRDN-1"), 404, 404},
		{"POST", "moveShard", moveOf("s11", "PRMR-C", "PRMR-A"), 404, 404}, // C has none
		{"POST", "moveShard", moveOf("s11", "PRMR-A", "PRMR-A"), 400, 10},
		{"POST", "moveShard", moveOf("s11", "PRMR-B", "PRMR-A"), 400, 10}, // A has one
		{"POST", "moveShard", `{"collection":"nope","shard":"s11","fromServer":"PRMR-A","toServer":"PRMR-C"}`, 404, 404},
		{"POST", "moveShard", `{"database":"d","collection":"books","shard":"s11","fromServer":"PRMR-A","toServer":"PRMR-C"}`, 404, 404},
		{"POST", "moveShard", `{"collection":"books","shard":"s11","fromServer":"PRMR-B","toServer":"PRMR-C","remainsFollower":true}`, 400, 10},
		{"POST", "moveShard", `{"collection":"books","shard":"s11","fromServer":"PRMR-A"}`, 400, 10},
		{"POST", "moveShard", `{"collection":7}`, 400, 10},
		{"POST", "moveShard", `{`, 400, 600},
		{"GET", "moveShard", ``, 405, 405},
		{"POST", "cleanOutServer", `{"server":"PRMR-X"}`, 404, 404},
		{"POST", "cleanOutServer", `{"server":"CRDN-1"}`, 404, 404},
		{"POST", "cleanOutServer", `{}`, 400, 10},
		{"POST", "cleanOutServer", `[]`, 400, 10},
		{"POST", "resignLeadership", `{"server":"PRMR-A","undoMoves":"yes"}`, 400, 10},
		{"POST", "resignLeadership", ``, 400, 600},
		{"GET", "queryAgencyJob", ``, 400, 10},
		{"GET", "queryAgencyJob?id=9", ``, 404, 404},
		{"GET", "queryAgencyJob?id=a/b", ``, 404, 404},
		{"POST", "cancelAgencyJob", `{"id":"9"}`, 404, 404},
		{"POST", "cancelAgencyJob", `{}`, 400, 10},
		{"PUT", "maintenance", `"maybe"`, 400, 10},
		{"PUT", "maintenance", `-5`, 400, 10},
		{"PUT", "maintenance", `"NaN"`, 400, 10},
		{"PUT", "maintenance", `1e300`, 400, 10},
		{"PUT", "maintenance", `{}`, 400, 10},
		{"GET", "maintenance/PRMR-X", ``, 404, 404},
		{"PUT", "maintenance/PRMR-X", `{"mode":"normal"}`, 404, 404},
		{"PUT", "maintenance/PRMR-A", `{"mode":"tea"}`, 400, 10},
		{"PUT", "maintenance/PRMR-A", `{"mode":"maintenance","timeout":0}`, 400, 10},
		{"PUT", "numberOfServers", `{}`, 400, 10},
		{"PUT", "numberOfServers", `{"numberOfDBServers":-1}`, 400, 10},
		{"PUT", "numberOfServers", `{"cleanedServers":null}`, 400, 10},
		{"POST", "removeServer", `"PRMR-X"`, 404, 404},
		{"POST", "removeServer", `{"server":5}`, 400, 10},
		{"POST", "rebalance", `{}`, 400, 10},
		{"PUT", "rebalance", `{"version":2}`, 400, 10},
		{"POST", "rebalance", `{"version":1,"maximumNumberOfMoves":-1}`, 400, 10},
		{"POST", "rebalance/execute", `{"moves":[]}`, 400, 10},
		{"POST", "rebalance/execute", `{"version":1,"moves":[{"collection":"10","shard":"s11","from":"PRMR-A","to":"PRMR-C","isLeader":false}]}`, 400, 10},
		{"POST", "nothing", ``, 404, 404},
	} {
		a := w.do(test.method, test.path, test.body)
		require.Equal(t, test.status, a.status, "%s %s: %s", test.path, test.body, a.body)
		require.EqualValues(t, test.num, a.fields["errorNum"], "%s %s: %s", test.path, test.body, a.body)
	}
	require.Zero(t, w.at(keys.TargetToDo).Len())
}

// A leader that has been asked to resign is still the leader of a move.
func TestMoveOfAResignedLeader(t *testing.T) {
	w := newWorld(t)
	w.set(map[string]any{keys.PlanCollection("_system", "10") + "/shards/s11": []string{"_PRMR-A", "PRMR-B"}})
	a := w.do("POST", "moveShard", `{"collection":"books","shard":"s11","fromServer":"PRMR-A","toServer":"PRMR-C"}`)
	w.want(a, 202, 0)
	require.True(t, w.job(keys.TargetToDo, a.fields["id"].(string)).IsLeader)
}

// Jobs can be written while Plan is frozen.
func TestJobsWhileFrozen(t *testing.T) {
	w := newWorld(t)
	w.set(map[string]any{keys.HotBackupCreate: "2099-01-01T00:00:00Z", keys.HotBackupHolder: keys.Holder{ID: "b", Nonce: "n"}})
	w.want(w.do("POST", "cleanOutServer", `{"server":"PRMR-A"}`), 202, 0)
}

// A restore between the reservation of an id and the write makes the id void.
func TestJobsOfAnEpoch(t *testing.T) {
	w := newWorld(t)
	tried := 0
	w.beforeWrites(func() error {
		if tried++; tried == 1 {
			w.set(map[string]any{keys.RestoreEpoch: agencyclient.Increment(1)})
		}
		return nil
	})
	a := w.do("POST", "cleanOutServer", `{"server":"PRMR-A"}`)
	w.want(a, 202, 0)
	require.Equal(t, 1, w.at(keys.TargetToDo).Len())
	require.Equal(t, 2, tried, "the id of the epoch before was not used")

	w.beforeWrites(func() error { return fmt.Errorf("write: %w", agencyclient.ErrUnknown) })
	a = w.do("POST", "cleanOutServer", `{"server":"PRMR-A"}`)
	w.want(a, 503, 1492)
	require.Contains(t, a.body, "outcome unknown")
}

// A job is found wherever it is, and can be cancelled until it is over.
func TestQueryAndCancel(t *testing.T) {
	w := newWorld(t)
	a := w.do("POST", "cleanOutServer", `{"server":"PRMR-A"}`)
	id := a.fields["id"].(string)
	job := w.job(keys.TargetToDo, id)
	moved := false
	w.beforeWrites(func() error { // the supervision is faster
		if !moved {
			moved = true
			w.carry(id, keys.TargetToDo, keys.TargetPending, job)
		}
		return nil
	})
	a = w.do("POST", "cancelAgencyJob", `{"id":"`+id+`"}`)
	w.want(a, 200, 0)
	require.Equal(t, "aborted", a.fields["status"])
	require.False(t, w.at(keys.TargetToDo+"/"+id).Exists(), "nothing is left where it was")
	job = w.job(keys.TargetPending, id)
	require.True(t, job.Abort)
	job.Reason = "aborted"
	w.carry(id, keys.TargetPending, keys.TargetFailed, job)
	a = w.do("GET", "queryAgencyJob?id="+id, "")
	require.Equal(t, "Failed", a.fields["status"])
	require.Equal(t, "aborted", a.fields["reason"])
	w.want(w.do("POST", "cancelAgencyJob", `{"id":`+id+`}`), 400, 400)

	w.set(map[string]any{keys.TargetPending + "/7": keys.Job{Type: keys.JobFailedLeader}})
	w.want(w.do("POST", "cancelAgencyJob", `{"id":"7"}`), 400, 400)
}

// The mode is answered when the supervision has taken notice, and not before.
func TestMaintenance(t *testing.T) {
	bubbles.Test(t, func(t *testing.T) {
		w := newWorld(t)
		require.Equal(t, "Normal", w.do("GET", "maintenance", "").fields["result"])
		for body, lasts := range map[string]time.Duration{`"on"`: time.Hour, `"1800"`: 30 * time.Minute, `90`: 90 * time.Second} {
			began := time.Now()
			time.AfterFunc(3*time.Second, func() { w.set(map[string]any{keys.SupervisionMode: keys.ModeMaintenance}) })
			a := w.do("PUT", "maintenance", body)
			w.want(a, 200, 0)
			require.Equal(t, 3*time.Second, time.Since(began))
			until := w.at(keys.Maintenance).Text()
			end, err := time.Parse(time.RFC3339, until)
			require.NoError(t, err)
			require.Equal(t, began.Add(lasts).Truncate(time.Second).UTC(), end)
			require.Contains(t, a.fields["warning"], until)
			require.Equal(t, "Maintenance", w.do("GET", "maintenance", "").fields["result"])
			time.AfterFunc(time.Second, func() { w.set(map[string]any{keys.SupervisionMode: keys.ModeNormal}) })
			w.want(w.do("PUT", "maintenance", `"off"`), 200, 0)
			require.False(t, w.at(keys.Maintenance).Exists())
		}
		began := time.Now()
		w.want(w.do("PUT", "maintenance", `"on"`), 408, 504)
		require.Equal(t, 2*time.Minute, time.Since(began))
	})
}

func TestServerMaintenance(t *testing.T) {
	bubbles.Test(t, func(t *testing.T) {
		w := newWorld(t)
		follow := func() { // what the supervision does
			time.AfterFunc(time.Second, func() {
				op := agencyclient.Delete()
				if n := w.at(keys.TargetMaintenance + "/PRMR-A"); n.Exists() {
					op = agencyclient.Set(n)
				}
				w.set(map[string]any{keys.CurrentMaintenance + "/PRMR-A": op})
			})
		}
		require.NotContains(t, w.do("GET", "maintenance/PRMR-A", "").fields, "result")
		follow()
		a := w.do("PUT", "maintenance/DBServer0001", `{"mode":"maintenance","timeout":30}`)
		w.want(a, 200, 0)
		result := w.do("GET", "maintenance/PRMR-A", "").fields["result"].(map[string]any)
		require.Equal(t, "maintenance", result["Mode"])
		require.Equal(t, wall.Clock(nil).After(29*time.Second), result["Until"])
		follow()
		w.want(w.do("PUT", "maintenance/PRMR-A", `{"mode":"normal","timeout":null}`), 200, 0)
		require.NotContains(t, w.do("GET", "maintenance/PRMR-A", "").fields, "result")
		w.want(w.do("PUT", "maintenance/PRMR-A", `{"mode":"maintenance"}`), 408, 504)
	})
}

func TestNumberOfServers(t *testing.T) {
	w := newWorld(t)
	require.JSONEq(t, `{"numberOfDBServers":null,"numberOfCoordinators":null,"cleanedServers":[],"error":false,"code":200}`, w.do("GET", "numberOfServers", "").body)
	w.want(w.do("PUT", "numberOfServers", `{"numberOfDBServers":3,"numberOfCoordinators":2,"cleanedServers":["PRMR-A"]}`), 200, 0)
	require.JSONEq(t, `{"numberOfDBServers":3,"numberOfCoordinators":2,"cleanedServers":["PRMR-A"],"error":false,"code":200}`, w.do("GET", "numberOfServers", "").body)
	w.want(w.do("PUT", "numberOfServers", `{"numberOfDBServers":null,"cleanedServers":[]}`), 200, 0)
	require.JSONEq(t, `{"numberOfDBServers":null,"numberOfCoordinators":2,"cleanedServers":[],"error":false,"code":200}`, w.do("GET", "numberOfServers", "").body)
}

// Moves that are to be done already count as done.
func TestRebalance(t *testing.T) {
	w := newWorld(t)
	shards := map[string][]string{}
	for i := range 6 {
		shards[fmt.Sprintf("s2%d", i)] = []string{"PRMR-A", "PRMR-B"}
	}
	w.set(map[string]any{keys.PlanCollection("d", "20"): keys.Collection{ID: "20", Name: "c", Shards: shards}})
	// 7 led by A, 1 by B, 0 by C; 7, 8 and 1 replicas.
	before := w.do("GET", "rebalance", "").fields["result"].(map[string]any)
	require.Equal(t, []any{7.0, 1.0, 0.0}, before["leader"].(map[string]any)["numberShards"])
	require.Equal(t, []any{7.0, 8.0, 1.0}, before["shards"].(map[string]any)["numberShards"])
	require.EqualValues(t, 0, before["todoMoveShards"])
	computed := w.do("POST", "rebalance", `{"version":1}`)
	w.want(computed, 200, 0)
	result := computed.fields["result"].(map[string]any)
	require.Len(t, result["moves"], 4, "leadership alone: three from A to B, one from B to C")
	require.Equal(t, []any{4.0, 3.0, 1.0}, result["imbalanceAfter"].(map[string]any)["leader"].(map[string]any)["numberShards"])
	require.Zero(t, w.at(keys.TargetToDo).Len())

	a := w.do("POST", "rebalance/execute", `{"version":1,"moves":`+toJSON(t, result["moves"])+`}`)
	w.want(a, 202, 0)
	require.Equal(t, 4, w.at(keys.TargetToDo).Len())
	for id := range w.at(keys.TargetToDo).Children() {
		job := w.job(keys.TargetToDo, id)
		require.Equal(t, keys.Job{Type: "moveShard", JobID: id, Creator: "CRDN-1", TimeCreated: job.TimeCreated, Database: job.Database, Collection: job.Collection,
			Shard: job.Shard, FromServer: job.FromServer, ToServer: job.ToServer, IsLeader: true, RemainsFollower: true}, job)
	}
	now := w.do("GET", "rebalance", "").fields["result"].(map[string]any)
	require.EqualValues(t, 4, now["todoMoveShards"])
	require.Equal(t, []any{4.0, 3.0, 1.0}, now["leader"].(map[string]any)["numberShards"])

	a = w.do("PUT", "rebalance", `{"version":1,"moveLeaders":true,"moveFollowers":true,"databasesExcluded":["_system"]}`)
	w.want(a, 202, 0)
	after := a.fields["result"].(map[string]any)["imbalanceAfter"].(map[string]any)
	require.Equal(t, 6.0, after["leader"].(map[string]any)["totalShards"], "without those of _system")
	for w.do("POST", "rebalanceShards", "").status == 202 {
		require.LessOrEqual(t, w.at(keys.TargetToDo).Len(), 8, "no shard is moved twice")
	}
	w.want(w.do("POST", "rebalanceShards", ""), 200, 0)

	w = newWorld(t) // 1, 1 and 0 led, 1, 2 and 1 replicas: as even as can be
	w.want(w.do("POST", "rebalanceShards", ""), 200, 0)
	w.set(map[string]any{keys.CleanedServers: []string{"PRMR-A"}, keys.PlanCollection("_system", "10") + "/shards/s11": []string{"PRMR-B", "PRMR-A"}})
	w.want(w.do("POST", "rebalanceShards", ""), 202, 0)
	for id := range w.at(keys.TargetToDo).Children() {
		require.Equal(t, "PRMR-C", w.job(keys.TargetToDo, id).ToServer, "nothing goes to a server that is cleaned out")
	}
}

// A server goes when it has failed and nothing uses it; then nothing of it is left.
func TestRemoveServer(t *testing.T) {
	bubbles.Test(t, func(t *testing.T) {
		w := newWorld(t)
		began := time.Now()
		a := w.do("POST", "removeServer", `"PRMR-C"`)
		w.want(a, 412, 412)
		require.Contains(t, a.body, "not FAILED")
		require.Equal(t, time.Minute, time.Since(began))

		w.set(map[string]any{
			keys.ServerHealth("PRMR-C") + "/Status": "FAILED", keys.FailedServers + "/PRMR-C": map[string]any{}, keys.CleanedServers: []string{"PRMR-B", "PRMR-C"},
			keys.CurrentDatabase("_system", "PRMR-C"): keys.CurrentDatabaseReport{}, keys.TargetMaintenance + "/PRMR-C": keys.ServerMaintenance{},
			keys.HotBackupDeletion("PRMR-C", "b1"): keys.Deletion{}, keys.HotBackupDeletion("PRMR-C", "b2"): keys.Deletion{}, keys.HotBackupDeletes: 5,
		})
		a = w.do("POST", "removeServer", `{"server":"DBServer0003"}`)
		w.want(a, 412, 412)
		require.Contains(t, a.body, "shard s12 has it in Plan")
		w.set(map[string]any{keys.PlanCollection("_system", "10") + "/shards/s12": []string{"PRMR-B"}})
		w.set(map[string]any{keys.CurrentShard("_system", "10", "s12") + "/servers": []string{"PRMR-B", "PRMR-C"}})
		require.Contains(t, w.do("POST", "removeServer", `"PRMR-C"`).body, "shard s12 has it in Current")

		began = time.Now()
		time.AfterFunc(5*time.Second+time.Millisecond, func() {
			w.set(map[string]any{keys.CurrentShard("_system", "10", "s12") + "/servers": []string{"PRMR-B"}})
		})
		a = w.do("POST", "removeServer", `"PRMR-C"`)
		w.want(a, 200, 0)
		require.Equal(t, 6*time.Second, time.Since(began))
		require.Equal(t, `["PRMR-B"]`, w.at(keys.CleanedServers).String())
		_, err := time.Parse(time.RFC3339, w.at(keys.RemovedServers+"/PRMR-C").Text())
		require.NoError(t, err)
		require.False(t, w.at(keys.Departed("PRMR-C")).Exists(), "it owed the removal of pieces")
		w.set(map[string]any{keys.RemovedServers: map[string]any{}})
		require.NotContains(t, strings.ReplaceAll(w.at("/").String(), `"`, ""), "PRMR-C", "nothing is left")
		plan, _ := w.at(keys.PlanVersion).Int()
		require.EqualValues(t, 2, plan)
		w.want(w.do("POST", "removeServer", `"PRMR-C"`), 404, 404)
	})
}

// What changes at the same moment is seen: the transaction does not apply.
func TestRemoveServerRaces(t *testing.T) {
	for name, change := range map[string]map[string]any{
		"it is started again":         {keys.ServerKnown("PRMR-C") + "/rebootId": 2},
		"it is well":                  {keys.ServerHealth("PRMR-C") + "/Status": "GOOD"},
		"a shard is put on it":        {keys.PlanCollection("_system", "10") + "/shards/s11": []string{"PRMR-A", "PRMR-C"}, keys.PlanVersion: agencyclient.Increment(1)},
		"a backup is deleted":         {keys.HotBackupDeletion("PRMR-C", "b1"): keys.Deletion{}, keys.HotBackupDeletes: agencyclient.Increment(1)},
		"a leader takes it into sync": {keys.CurrentShard("_system", "10", "s11") + "/servers": []string{"PRMR-A", "PRMR-C"}, keys.CurrentVersion: agencyclient.Increment(1)},
	} {
		t.Run(name, func(t *testing.T) {
			bubbles.Test(t, func(t *testing.T) {
				w := newWorld(t)
				w.set(map[string]any{keys.ServerHealth("PRMR-C") + "/Status": "FAILED", keys.PlanCollection("_system", "10") + "/shards/s12": []string{"PRMR-B"}})
				tried := 0
				w.beforeWrites(func() error {
					if tried++; tried == 1 {
						w.set(change)
					}
					if tried > 100 {
						return errors.New("no end")
					}
					return nil
				})
				a := w.do("POST", "removeServer", `"PRMR-C"`)
				if name == "it is started again" || name == "a backup is deleted" { // and is FAILED all the same
					w.want(a, 200, 0)
					require.Equal(t, 2, tried)
					require.False(t, w.at(keys.HotBackupDeleted+"/PRMR-C").Exists())
					require.Equal(t, name == "it is started again", w.at(keys.Departed("PRMR-C")).Exists())
					return
				}
				w.want(a, 412, 412)
				require.Equal(t, 1, tried)
				require.True(t, w.at(keys.PlanDBServers+"/PRMR-C").Exists())
			})
		})
	}
}

// A coordinator goes when it has failed.
func TestRemoveCoordinator(t *testing.T) {
	bubbles.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.want(w.do("POST", "removeServer", `"CRDN-1"`), 412, 412)
		w.set(map[string]any{keys.ServerHealth("CRDN-1"): keys.HealthEntry{Status: "FAILED"}})
		w.want(w.do("POST", "removeServer", `"Coordinator0001"`), 200, 0)
		require.False(t, w.at(keys.PlanCoordinators+"/CRDN-1").Exists())
		require.False(t, w.at(keys.HotBackupDeparted).Exists())
	})
}

// While Plan is frozen no server goes; the answer says for whom it waits.
func TestRemoveServerWhileFrozen(t *testing.T) {
	bubbles.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.set(map[string]any{
			keys.ServerHealth("PRMR-C") + "/Status": "FAILED", keys.PlanCollection("_system", "10") + "/shards/s12": []string{"PRMR-B"},
			keys.HotBackupCreate: "2099-01-01T00:00:00Z", keys.HotBackupHolder: keys.Holder{ID: "the-backup", Operation: "create", Nonce: "n"},
		})
		a := w.do("POST", "removeServer", `"PRMR-C"`)
		w.want(a, 500, 1457)
		require.Contains(t, a.body, "the-backup")
	})
}
