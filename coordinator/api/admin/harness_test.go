package admin

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"stasis/agency/agencytest"
	agencyclient "stasis/agency/client"
	"stasis/agency/keys"
	"stasis/coordinator/catalog"
	"stasis/internal/apierror"
	"stasis/internal/rest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// world is a cluster as the agency has it, and an API in front of it.
type world struct {
	t      *testing.T
	agency *agencytest.Agency
	mux    *rest.Mux
}

// newWorld has three DB servers A, B and C (short names DBServer0001 …), a
// coordinator, and the collection books (id 10): s11 on A and B, s12 on B and C.
func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, agency: agencytest.New()}
	ops := map[string]any{
		keys.PlanVersion: 1, keys.CurrentVersion: 1, keys.RestoreEpoch: 0,
		keys.PlanDatabase("_system"): keys.Database{ID: "1", Name: "_system"}, keys.PlanDatabase("d"): keys.Database{ID: "2", Name: "d"},
		keys.PlanCoordinators + "/CRDN-1": "none", keys.ShortIDs + "/CRDN-1": keys.ShortID{TransactionID: 1, ShortName: "Coordinator0001"},
		keys.PlanCollection("_system", "10"): keys.Collection{
			ID: "10", Name: "books", ReplicationFactor: 2, WriteConcern: 1,
			Shards:     map[string][]string{"s11": {"PRMR-A", "PRMR-B"}, "s12": {"PRMR-B", "PRMR-C"}},
			ShardTerms: map[string]uint64{"s11": 1, "s12": 1},
		},
		keys.CurrentShard("_system", "10", "s11"): keys.CurrentShardReport{Servers: []string{"PRMR-A", "PRMR-B"}, Term: 1},
		keys.CurrentShard("_system", "10", "s12"): keys.CurrentShardReport{Servers: []string{"PRMR-B"}, Term: 1},
	}
	for _, room := range []string{keys.TargetToDo, keys.TargetPending, keys.TargetFinished, keys.TargetFailed} {
		ops[room] = map[string]any{}
	}
	for i, id := range []string{"PRMR-A", "PRMR-B", "PRMR-C"} {
		ops[keys.PlanDBServers+"/"+id], ops[keys.CurrentDBServers+"/"+id] = "none", "none"
		ops[keys.ShortIDs+"/"+id] = keys.ShortID{TransactionID: uint64(i + 1), ShortName: fmt.Sprintf("DBServer%04d", i+1)}
		ops[keys.ServerHealth(id)] = keys.HealthEntry{Status: keys.StatusGood}
		ops[keys.ServerKnown(id)] = keys.Known{RebootID: 1}
		ops[keys.ServerRegistered(id)] = keys.Registered{Endpoint: "tcp://" + id}
	}
	w.set(ops)
	c := catalog.New(catalog.Options{
		Agency: w.agency, Cache: w.agency, ID: "CRDN-1", RebootID: func() uint64 { return 1 }, Logger: hclog.NewNullLogger(),
		Reserve: w.agency.Reserve, MaxShards: 10, ReportWait: 20 * time.Second, ThawWait: time.Minute, AgencyTimeout: 10 * time.Second,
	})
	t.Cleanup(c.Close)
	a := &API{ID: "CRDN-1", Agency: w.agency, Catalog: c, Logger: hclog.NewNullLogger(), Timeouts: Timeouts{}.WithDefaults()}
	w.mux = rest.NewMux(rest.Options{
		BodyBytes: 1 << 20, Admit: func() error { return nil }, Logger: hclog.NewNullLogger(),
		Database: func(ctx context.Context, name string) error { _, err := c.Database(ctx, name); return err },
	}, a.Routes()...)
	return w
}

func (w *world) set(ops map[string]any) {
	w.t.Helper()
	_, err := w.agency.Apply(agencyclient.Tx{Ops: ops})
	require.NoError(w.t, err)
}

func (w *world) at(key string) *agencyclient.Node { return w.agency.At(key) }

// beforeWrites calls f with each write of the API; an error is the write's.
func (w *world) beforeWrites(f func() error) {
	w.agency.OnWrite(func(_ context.Context, tx agencyclient.Tx) (uint64, error) {
		if err := f(); err != nil {
			return 0, err
		}
		return w.agency.Apply(tx)
	})
}

// answer is what an API said.
type answer struct {
	status int
	fields map[string]any
	body   string
}

func (w *world) do(method, path, body string) answer {
	r := httptest.NewRequest(method, "/_admin/cluster/"+path, strings.NewReader(body))
	return w.send(r)
}

func (w *world) send(r *http.Request) answer {
	rec := httptest.NewRecorder()
	w.mux.ServeHTTP(rec, r)
	a := answer{status: rec.Code, body: rec.Body.String()}
	_ = json.Unmarshal(rec.Body.Bytes(), &a.fields) // no object: no fields
	return a
}

func (w *world) want(a answer, status int, num apierror.Num) {
	w.t.Helper()
	require.Equal(w.t, status, a.status, a.body)
	if num == 0 {
		require.Equal(w.t, false, a.fields["error"], a.body)
		return
	}
	require.Equal(w.t, true, a.fields["error"], a.body)
	require.EqualValues(w.t, num, a.fields["errorNum"], a.body)
	require.EqualValues(w.t, status, a.fields["code"], a.body)
	require.NotEmpty(w.t, a.fields["errorMessage"])
}

// job is a job in one of the rooms.
func (w *world) job(room, id string) keys.Job {
	w.t.Helper()
	var j keys.Job
	require.NoError(w.t, w.at(room+"/"+id).Decode(&j), "job %s in %s", id, room)
	return j
}

// carry moves a job to another room, as the supervision does.
func (w *world) carry(id, from, to string, j keys.Job) {
	w.t.Helper()
	w.set(map[string]any{from + "/" + id: agencyclient.Delete(), to + "/" + id: j})
}

func toJSON(t *testing.T, v any) string {
	t.Helper()
	raw, err := json.Marshal(v)
	require.NoError(t, err)
	return string(raw)
}
