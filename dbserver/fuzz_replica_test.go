package dbserver

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"

	"stasis/agency"
	agencyclient "stasis/agency/client"
	"stasis/agency/keys"
	dbclient "stasis/dbserver/client"
	"stasis/dbserver/engine"
	"stasis/dbserver/shard"
	"stasis/fault"
	"stasis/internal/apierror"
	"stasis/internal/network"
)

// The shards of the server under fuzz: one that it leads, one that it follows and counts as
// in sync for, and one that it follows and does not count for. Only requests for the last one
// may get to know the tenure of its leader.
const (
	ledShard     = "s101"
	syncedShard  = "s201"
	scratchShard = "s301"
	absentShard  = "s401"
)

var fuzzedShards = []string{ledShard, syncedShard, scratchShard, absentShard}

// fuzzed is one DB server with an engine in memory, and an agency of one whose Plan is
// frozen. The server that leads elsewhere has a reboot id that the requests do not know.
type fuzzed struct {
	server  *Server
	handler http.Handler
	leader  dbclient.Tenure
	session string // of the copy that was begun last
	before  map[string]string
}

const elsewhere = "PRMR-elsewhere"

func newFuzzed(f *testing.F) *fuzzed {
	net := fault.NewNetwork()
	agent, err := agency.Start(context.Background(), agency.Config{Listen: "agent:1", Network: net.Host("agent"), Dir: "agent", FS: vfs.NewMem()})
	require.NoError(f, err)
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	s, err := Start(ctx, Config{
		Dir: "data", FS: vfs.NewMem(), Listen: "db1:1", Agency: []string{"http://agent:1"}, Network: net.Host("db1"),
		Engine: engine.Options{CacheBytes: 1 << 20, MemTableBytes: 1 << 20},
	})
	require.NoError(f, err)
	web := network.NewHTTPClient(net.Host("coordinator"))
	f.Cleanup(func() {
		web.CloseIdleConnections()
		require.NoError(f, s.Close(context.Background()))
		require.NoError(f, agent.Close(context.Background()))
		require.NoError(f, net.Close())
	})
	z := &fuzzed{server: s, handler: s.handler, leader: dbclient.Tenure{Term: 1, Reboot: 1<<40 + rand.Uint64N(1<<40)}}
	z.plan(f, agencyclient.New(agencyclient.Options{Endpoints: []string{"http://agent:1"}, HTTP: web}))
	z.fill(f)
	z.before = map[string]string{ledShard: z.stands(f, ledShard), syncedShard: z.stands(f, syncedShard)}
	return z
}

// plan puts the shards into Plan and Current, and freezes Plan: no supervision moves them.
func (z *fuzzed) plan(f *testing.F, a *agencyclient.Client) {
	collection := func(cid, shard string, servers ...string) keys.Collection {
		return keys.Collection{
			ID: cid, Name: "c" + cid, Shards: map[string][]string{shard: servers}, ShardTerms: map[string]uint64{shard: 1},
			ReplicationFactor: len(servers), WriteConcern: 1,
		}
	}
	report := func(servers ...string) keys.CurrentShardReport {
		return keys.CurrentShardReport{Indexes: []keys.Index{}, Servers: servers, FailoverCandidates: servers, Term: 1, Reboots: map[string]uint64{elsewhere: z.leader.Reboot}}
	}
	me := z.server.ID()
	_, err := a.Write(f.Context(), agencyclient.Tx{Ops: map[string]any{
		keys.PlanCollection("_system", "100"):             collection("100", ledShard, me),
		keys.PlanCollection("_system", "200"):             collection("200", syncedShard, elsewhere, me),
		keys.PlanCollection("_system", "300"):             collection("300", scratchShard, elsewhere, me),
		keys.CurrentShard("_system", "200", syncedShard):  report(elsewhere, me),
		keys.CurrentShard("_system", "300", scratchShard): report(elsewhere),
		keys.ServerKnown(elsewhere):                       keys.Known{RebootID: z.leader.Reboot},
		keys.PlanVersion:                                  agencyclient.Increment(1),
		keys.HotBackupCreate:                              "2026-01-01T00:00:00Z",
		keys.HotBackupHolder:                              keys.Holder{ID: "b", Operation: keys.OperationCreate, Nonce: "n", LeaseSeconds: 1e9},
	}})
	require.NoError(f, err)
	require.Eventually(f, func() bool { return z.hosts() && z.server.serves() }, 2*time.Minute, 50*time.Millisecond)
}

// hosts says whether all shards of Plan are here.
func (z *fuzzed) hosts() bool {
	_, d, leave, err := z.server.access.Enter(context.Background())
	if err != nil {
		return false
	}
	defer leave()
	return len(d.Names()) == 3
}

// fill writes acknowledged documents: to the shard that is led here by a client, to the one
// that is followed by its leader.
func (z *fuzzed) fill(f *testing.F) {
	for i := range 5 {
		op := dbclient.Op{Kind: dbclient.OpInsert, Key: key(i), Document: json.RawMessage(`{}`)}
		w := z.post(f, dbclient.PathDocs, ledShard, dbclient.DocumentsRequest{Collection: "c", Ops: []dbclient.Op{op}})
		require.Equal(f, http.StatusOK, w.Code, w.Body)
	}
	require.Equal(f, http.StatusOK, z.post(f, dbclient.PathPromise, syncedShard, z.leader).Code)
	var records []byte
	for i := range 5 {
		records = dbclient.AppendBlob(records, fuzzedRecord(shard.Tenure(z.leader), uint64(i+1), key(i)))
	}
	w := z.post(f, dbclient.PathAccept, syncedShard, dbclient.AcceptRequest{Tenure: z.leader, Records: records, Commit: 4})
	require.Equal(f, http.StatusOK, w.Code, w.Body)
}

func fuzzedRecord(t shard.Tenure, seq uint64, key string) []byte {
	value := fmt.Appendf(binary.BigEndian.AppendUint64(nil, seq), `{"_key":%q,"_id":"c/%s"}`, key, key)
	return shard.Record{Tenure: t, Seq: seq, Time: seq, Added: 1, Changes: []shard.Change{{Kind: shard.Put, Key: key, Value: value}}}.Encode()
}

func (z *fuzzed) post(t testing.TB, path, name string, body any) *httptest.ResponseRecorder {
	t.Helper()
	raw, ok := body.([]byte)
	if !ok {
		var err error
		raw, err = json.Marshal(body)
		require.NoError(t, err)
	}
	r := httptest.NewRequest(http.MethodPost, strings.Replace(path, "{shard}", name, 1), strings.NewReader(string(raw)))
	r.Header.Set(dbclient.EpochHeader, "0")
	if path == dbclient.PathDocs || path == dbclient.PathTruncate {
		var opened dbclient.SessionResponse
		require.NoError(t, json.Unmarshal(z.post(t, dbclient.PathSession, "", struct{}{}).Body.Bytes(), &opened))
		r.Header.Set(dbclient.WriteHeader, dbclient.Write{Session: opened.Session, Number: 1, Oldest: 1}.String())
	}
	w := httptest.NewRecorder()
	z.handler.ServeHTTP(w, r)
	return w
}

// stands is everything that a replica is: where its log ends, what it has promised, its
// documents. It fails if they do not agree.
func (z *fuzzed) stands(t testing.TB, name string) string {
	t.Helper()
	ctx, d, leave, err := z.server.access.Enter(context.Background())
	require.NoError(t, err)
	defer leave()
	on, err := d.Replica(name)
	require.NoError(t, err)
	require.NoError(t, on.Shard.Check(ctx))
	sum, st, err := on.Shard.Checksum(ctx)
	require.NoError(t, err)
	return fmt.Sprintf("%016x %+v", sum, st)
}

// told puts into a request what its sender knows: the blob in its encoding and, for the
// shard that may be spoiled, the tenure of its leader and the session of the copy.
func (z *fuzzed) told(body, blob []byte, name string) []byte {
	s := strings.ReplaceAll(string(body), "BLOB", base64.StdEncoding.EncodeToString(blob))
	if name == scratchShard {
		s = strings.NewReplacer("REBOOT", fmt.Sprint(z.leader.Reboot), "SESSION", z.session).Replace(s)
	}
	return []byte(s)
}

// emptied makes the shard that may be spoiled again, so that a failing input fails again.
func (z *fuzzed) emptied(t testing.TB) {
	t.Helper()
	_, d, leave, err := z.server.access.Enter(context.Background())
	require.NoError(t, err)
	defer leave()
	require.NoError(t, d.Drop(scratchShard))
	require.NoError(t, d.Create(scratchShard))
	z.session = ""
}

// sends posts one line of a script: a digit for the shard, one for the path, and the body.
func (z *fuzzed) sends(t *testing.T, line, blob []byte) {
	if len(line) < 2 {
		return
	}
	paths := []string{dbclient.PathPromise, dbclient.PathAccept, dbclient.PathCopy, dbclient.PathLog}
	name := fuzzedShards[int(line[0])%len(fuzzedShards)]
	body := z.told(line[2:], blob, name)
	w := z.post(t, paths[int(line[1])%len(paths)], name, body)
	var answer struct {
		dbclient.ReplicaAnswer
		Num apierror.Num `json:"errorNum"`
	}
	if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil {
		t.Fatalf("%s %q: %d, no JSON: %q", name, body, w.Code, w.Body)
	}
	if answer.Num == apierror.Internal { // a panic, or an error that says nothing to its reader
		t.Fatalf("%s %q: %d %s", name, body, w.Code, w.Body)
	}
	if answer.Session != "" {
		z.session = answer.Session
	}
}

// FuzzReplicaRequests: whatever a replica is asked by a sender that reaches its port, it
// answers with JSON and does not panic. A shard that it leads, and one for which it counts as
// in sync, stay as they are, documents, log and promise, for senders that do not know the
// leader's tenure. The third, whose tenure they know, may be spoiled, but stays a
// replica whose documents, log and counters agree; it promises no tenure but Plan's.
func FuzzReplicaRequests(f *testing.F) {
	z := newFuzzed(f)
	record := dbclient.AppendBlob(nil, fuzzedRecord(shard.Tenure{Term: 1}, 1, "k"))
	document := dbclient.AppendBlob(dbclient.AppendBlob(nil, []byte("k")), append(make([]byte, 8), `{"_key":"k","_id":"c/k"}`...))
	for which := range fuzzedShards {
		for _, seed := range []string{
			`0{"term":18446744073709551615,"reboot":18446744073709551615}`, `0{"term":1,"reboot":1}`, `0{"term":2}`, `0{}`, `0null`, `0[`, `0{"term":-1}`,
			`1{"tenure":{"term":18446744073709551615,"reboot":1},"prev":{"term":1,"reboot":1,"seq":5},"records":"BLOB","commit":18446744073709551615,"sync":true}`,
			`1{"tenure":{"term":1,"reboot":1},"prev":{"term":1,"reboot":1,"seq":5},"records":"BLOB"}`,
			`2{"tenure":{"term":18446744073709551615},"copy":1,"begin":true,"end":{}}`, `2{"tenure":{"term":1,"reboot":1},"copy":1,"begin":true}`,
			`3{"from":0}`, `3{"from":1}`, `3{"from":18446744073709551615}`,
		} {
			f.Add(fmt.Appendf(nil, "%d%s", which, seed), record)
			f.Add(fmt.Appendf(nil, "%d%s", which, seed), document)
		}
	}
	for _, script := range []string{ // 2 is the shard that may be spoiled
		`1{"tenure":{"term":1,"reboot":REBOOT},"prev":{},"records":"BLOB","commit":1}|1{"tenure":{"term":1,"reboot":REBOOT},"prev":{},"records":"BLOB"}`,
		`1{"tenure":{"term":1,"reboot":REBOOT},"prev":{"seq":18446744073709551615},"records":"BLOB"}|3{"from":1}`,
		`2{"tenure":{"term":1,"reboot":REBOOT},"copy":7,"begin":true}|2{"tenure":{"term":1,"reboot":REBOOT},"copy":7,"session":"SESSION","entries":"BLOB"}|` +
			`2{"tenure":{"term":1,"reboot":REBOOT},"copy":7,"session":"SESSION","end":{"last":{"term":1,"reboot":1,"seq":9},"count":1},"sum":5}`,
		`2{"tenure":{"term":1,"reboot":REBOOT},"copy":7,"begin":true}|2{"tenure":{"term":1,"reboot":REBOOT},"copy":7,"session":"SESSION","end":{"last":{"term":1,"reboot":1,"seq":9}}}`,
		`2{"tenure":{"term":1,"reboot":REBOOT},"copy":8,"begin":true}|2{"tenure":{"term":1,"reboot":REBOOT},"copy":8,"session":"SESSION","end":{"last":{"term":1,"reboot":1,"seq":18446744073709551615}}}`,
	} {
		script = "0{\"term\":1,\"reboot\":REBOOT}|" + script
		lines := strings.ReplaceAll("2"+script, "|", "\n2")
		f.Add([]byte(lines), record)
		f.Add([]byte(lines), document)
	}
	f.Fuzz(func(t *testing.T, script, blob []byte) {
		z.emptied(t)
		for i, line := range bytes.Split(script, []byte("\n")) {
			if i == 8 {
				break
			}
			z.sends(t, line, blob)
		}
		for _, name := range slices.Sorted(maps.Keys(z.before)) {
			if now := z.stands(t, name); now != z.before[name] {
				t.Fatalf("%q changes %s: %s, it was %s", script, name, now, z.before[name])
			}
		}
		if now := z.stands(t, scratchShard); !strings.Contains(now, "Promised:"+shard.Tenure(z.leader).String()) && !strings.Contains(now, "Promised:0.0") {
			t.Fatalf("%q: a promise is stored that Plan does not have: %s", script, now)
		}
	})
}
