package backup

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	agencyclient "stasis/agency/client"
	"stasis/agency/keys"
	"stasis/coordinator/backup/operation"
	"stasis/coordinator/backup/topology"
	"stasis/internal/apierror"
)

// reply is what a client sees.
type reply struct {
	Error    bool            `json:"error"`
	Code     int             `json:"code"`
	ErrorNum int             `json:"errorNum"`
	Message  string          `json:"errorMessage"`
	Result   json.RawMessage `json:"result"`
	status   int
}

func send(t *testing.T, s *Service, method, path, body string) reply {
	t.Helper()
	w := httptest.NewRecorder()
	s.Handler().ServeHTTP(w, httptest.NewRequest(method, path, strings.NewReader(body)))
	r := reply{status: w.Code}
	require.NoError(t, json.Unmarshal(w.Body.Bytes(), &r), w.Body.String())
	require.Equal(t, w.Code, r.Code, "the envelope says another status than the answer")
	require.Equal(t, w.Code >= 400, r.Error)
	return r
}

func (w *world) post(command, body string) reply {
	w.t.Helper()
	return send(w.t.(*testing.T), w.service(coordinatorA), http.MethodPost, pathPrefix+"/"+command, body)
}

// What clients get for requests that do nothing.
func TestRefusals(t *testing.T) {
	for _, c := range []struct {
		method, path, body string
		status, num        int
	}{
		{"GET", "/_admin/backup/list", "", 405, 405},
		{"PUT", "/_admin/backup/create", "", 405, 405},
		{"POST", "/_admin/backup", "", 400, 601},
		{"POST", "/_admin/backup/", "", 400, 601},
		{"POST", "/_admin/backup/list/more", "", 400, 601},
		{"POST", "/_admin/backup/explode", "", 501, 9},
		{"POST", "/_admin/backup/upload", `{"id":"x"}`, 501, 9},
		{"POST", "/_admin/backup/download", "", 400, 10},
		{"POST", "/_admin/backup/create", "{", 400, 600},
		{"POST", "/_admin/backup/list", "nope", 400, 600},
		{"POST", "/_admin/backup/create", "[]", 400, 10},
		{"POST", "/_admin/backup/create", `"label"`, 400, 10},
		{"POST", "/_admin/backup/create", `{"label":1}`, 400, 10},
		{"POST", "/_admin/backup/create", `{"label":"a/b"}`, 400, 10},
		{"POST", "/_admin/backup/create", `{"timeout":"1"}`, 400, 10},
		{"POST", "/_admin/backup/create", `{"force":"yes"}`, 400, 10},
		{"POST", "/_admin/backup/create", `{"allowInconsistent":1}`, 400, 10},
		{"POST", "/_admin/backup/create", `{"lockWait":0}`, 400, 10},
		{"POST", "/_admin/backup/create", `{"lockGrowth":0.5}`, 400, 10},
		{"POST", "/_admin/backup/create", `{"lockGrowth":1e9}`, 400, 10},
		{"POST", "/_admin/backup/create", `{"lockMode":"all"}`, 400, 10},
		{"POST", "/_admin/backup/create", `{"lockMode":"gates"}`, 400, 10},
		{"POST", "/_admin/backup/create", `{"lockMode":7}`, 400, 10},
		{"POST", "/_admin/backup/create", `{"lockMode":"none"}`, 400, 10},
		{"POST", "/_admin/backup/create", `{"lockMode":"none","force":true}`, 400, 10},
		{"POST", "/_admin/backup/list", `[]`, 400, 400},
		{"POST", "/_admin/backup/list", `"id"`, 400, 400},
		{"POST", "/_admin/backup/list", `{"id":1}`, 400, 400},
		{"POST", "/_admin/backup/list", `{"id":null}`, 400, 400},
		{"POST", "/_admin/backup/list", `{"id":["a",1]}`, 400, 400},
		{"POST", "/_admin/backup/list", `{"id":["a",null]}`, 400, 400},
		{"POST", "/_admin/backup/list", `{"id":"unknown"}`, 404, 404},
		{"POST", "/_admin/backup/delete", ``, 400, 400},
		{"POST", "/_admin/backup/delete", `{}`, 400, 400},
		{"POST", "/_admin/backup/delete", `{"id":7}`, 400, 400},
		{"POST", "/_admin/backup/delete", `{"id":"unknown"}`, 404, 404},
		{"POST", "/_admin/backup/restore", ``, 400, 10},
		{"POST", "/_admin/backup/restore", `{"id":7}`, 400, 10},
		{"POST", "/_admin/backup/restore", `{"id":"x","ignoreVersion":"yes"}`, 400, 10},
		{"POST", "/_admin/backup/restore", `{"id":"unknown"}`, 404, 404},
		{"POST", "/_admin/backup/verify", `{}`, 400, 10},
		{"POST", "/_admin/backup/verify", `{"id":"unknown"}`, 404, 404},
		{"POST", "/_admin/backup/create", `{"label":"` + strings.Repeat("x", maxBody) + `"}`, 413, 413},
	} {
		t.Run(c.method+" "+c.path+" "+c.body[:min(len(c.body), 40)], func(t *testing.T) {
			inWorld(t, threeServers, func(w *world) {
				r := send(t, w.service(coordinatorA), c.method, c.path, c.body)
				require.Equal(t, c.status, r.status, r.Message)
				require.Equal(t, c.num, r.ErrorNum, r.Message)
				require.NotEmpty(t, r.Message)
				w.requireClean(c.path)
			})
		})
	}
}

// Bodies that ask for a backup with the defaults, or nearly.
func TestCreateBodies(t *testing.T) {
	for body, label := range map[string]string{
		"": "", "null": "", "{}": "", " \n": "",
		`{"label":null,"timeout":null}`:                           "",
		`{"label":"x","userString":"old clients send more"}`:      "x",
		`{"label":"x","timeout":0.1,"force":true}`:                "x",
		`{"label":"x","allowInconsistent":false,"lockWait":0.25}`: "x",
		`{"label":"a.b_C-1","lockGrowth":2,"timeout":1e300}`:      "a.b_C-1",
		`{"label":"","timeout":-5}`:                               "",
		`{"lockMode":null}`:                                       "",
		`{"lockMode":""}`:                                         "",
		`{"lockMode":"transactions"}`:                             "",
		`{"lockMode":"commits"}`:                                  "",
		`{"lockMode":"none","allowInconsistent":true}`:            "",
	} {
		t.Run(body, func(t *testing.T) {
			inWorld(t, threeServers, func(w *world) {
				r := w.post("create", body)
				require.Equal(t, 201, r.status, r.Message)
				var result CreateResult
				require.NoError(t, json.Unmarshal(r.Result, &result))
				if label == "" {
					require.Len(t, result.ID, len("2000-01-01T00.00.00Z_")+36, "a uuid stands for no label")
				} else {
					require.True(t, strings.HasSuffix(result.ID, "_"+label), result.ID)
				}
				_, err := time.Parse(time.RFC3339, result.DateTime)
				require.NoError(t, err)
			})
		})
	}
}

func TestTimeoutsOnTheWire(t *testing.T) {
	for body, want := range map[string]time.Duration{
		`{}`:                0, // the default
		`{"timeout":1}`:     operation.MinimalTimeout,
		`{"timeout":0}`:     operation.MinimalTimeout,
		`{"timeout":3.25}`:  3250 * time.Millisecond,
		`{"timeout":1e300}`: operation.MaximalTimeout,
	} {
		r, err := parseCreate(json.RawMessage(body))
		require.NoError(t, err)
		require.Equal(t, want, r.Timeout, body)
	}
}

// The whole life of a backup, as a client of ArangoDB sees it.
func TestCommandsOverHTTP(t *testing.T) {
	inWorld(t, threeServers, func(w *world) {
		r := w.post("create", `{"label":"foo"}`)
		require.Equal(t, 201, r.status)
		id := "2000-01-01T00.00.00Z_foo"
		for _, body := range []string{"", "null", "{}", `{"id":"` + id + `"}`, `{"id":["` + id + `"]}`} {
			r = w.post("list", body)
			require.Equal(t, 200, r.status)
			require.JSONEq(t, `{"list":{"`+id+`":{"id":"`+id+`","version":"3.12.5","datetime":"2000-01-01T00:00:00Z","keys":[],
				"sizeInBytes":300,"nrFiles":6,"nrDBServers":3,"nrPiecesPresent":3,"available":true,"potentiallyInconsistent":false,
				"countIncludesFilesOnly":true,"kind":"hot","lockMode":"transactions"}}}`, string(r.Result), body)
		}
		require.JSONEq(t, `{"list":{}}`, string(w.post("list", `{"id":[]}`).Result))
		require.Equal(t, 404, w.post("list", `{"id":["`+id+`","other"]}`).status)

		r = w.post("verify", `{"id":"`+id+`"}`)
		require.Equal(t, 200, r.status)
		require.Contains(t, string(r.Result), `"intact":true`)

		r = w.post("restore", `{"id":"`+id+`","ignoreVersion":false}`)
		require.Equal(t, 200, r.status, r.Message)
		var restored RestoreResult
		require.NoError(t, json.Unmarshal(r.Result, &restored))
		require.True(t, restored.IsCluster)
		require.NotEmpty(t, restored.Previous)

		r = w.post("delete", `{"id":"`+id+`"}`)
		require.Equal(t, 200, r.status)
		require.JSONEq(t, `{"id":["`+id+`"]}`, string(r.Result))
		require.Equal(t, 404, w.post("delete", `{"id":"`+id+`"}`).status)
		require.Equal(t, 404, w.post("restore", `{"id":"`+id+`"}`).status)
	})
}

// A database prefix before the path belongs to the dispatcher.
func TestDatabasePrefixDoesNotDisturb(t *testing.T) {
	inWorld(t, threeServers, func(w *world) {
		r := send(t, w.service(coordinatorA), "POST", "/_db/_system/_admin/backup/list", "")
		require.Equal(t, 200, r.status)
	})
}

func TestStatusOfErrors(t *testing.T) {
	for num, status := range map[apierror.Num]int{
		9: 501, 18: 408, 14: 404, 404: 404, 500: 500, 503: 503, 7001: 500,
		7002: 400, 7003: 400, 7004: 400, 7007: 400, 7009: 400, 7010: 400, 7011: 400, 7012: 400, 1457: 400, 10: 400, 400: 400, 600: 400, 601: 400,
	} {
		require.Equal(t, status, statusOf(num), "%d", num)
	}
}

// The failure answers with the numbers and statuses that clients know.
func TestFailuresOverHTTP(t *testing.T) {
	t.Run("lock taken", func(t *testing.T) {
		inWorld(t, threeServers, func(w *world) {
			w.agency.must(t, agencyclient.Tx{Ops: map[string]any{keys.HotBackupCreate: "2000-01-01T01:00:00Z"}})
			r := w.post("create", `{"timeout":3}`)
			require.Equal(t, []int{500, 7001}, []int{r.status, r.ErrorNum})
			require.Contains(t, r.Message, "until 2000-01-01T01:00:00Z")
		})
	})
	t.Run("server unreachable", func(t *testing.T) {
		inWorld(t, threeServers, func(w *world) {
			w.faults.breakCalls(func(c string) bool { return c == "lock PRMR-2" })
			r := w.post("create", "")
			require.Equal(t, []int{400, 7009}, []int{r.status, r.ErrorNum})
			require.Contains(t, r.Message, "PRMR-2")
		})
	})
	t.Run("agency gone", func(t *testing.T) {
		inWorld(t, threeServers, func(w *world) {
			w.faults.breakCalls(func(c string) bool { return strings.HasPrefix(c, "agency") })
			recorder := httptest.NewRecorder()
			w.service(coordinatorA).Handler().ServeHTTP(recorder, httptest.NewRequest("POST", "/_admin/backup/create", nil))
			require.Equal(t, 503, recorder.Code)
			require.NotEmpty(t, recorder.Header().Get("Retry-After"))
		})
	})
	t.Run("too few servers", func(t *testing.T) {
		restorable(t, func(w *world, id string) {
			// The pieces of three servers are on two: the third's was brought there.
			cert := w.servers["PRMR-1"].pieces[id]
			require.NotNil(t, cert)
			_, err := topology.Match(threeServers, threeServers[:2])
			require.Equal(t, 400, statusOf(err))
			require.ErrorContains(t, err, "3 DB servers, the cluster only 2")
		})
	})
}

// When the client goes away, its backup is undone.
func TestClientThatLeavesCancelsItsBackup(t *testing.T) {
	inWorld(t, threeServers, func(w *world) {
		ctx, leave := context.WithCancel(context.Background())
		time.AfterFunc(2*time.Second, leave) // while linking
		recorder := httptest.NewRecorder()
		w.service(coordinatorA).Handler().ServeHTTP(recorder, httptest.NewRequest("POST", "/_admin/backup/create", nil).WithContext(ctx))
		require.Equal(t, 400, recorder.Code)
		w.requireClean("client left")
	})
}
