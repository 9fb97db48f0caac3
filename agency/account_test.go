package agency

import (
	"bytes"
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"github.com/stretchr/testify/require"

	"stasis/agency/answer"
	"stasis/agency/api"
	"stasis/agency/asyncjob"
	"stasis/agency/keys"
	"stasis/internal/budget"
	"stasis/internal/network"
)

// held is what each pool has given out.
func held(b *budget.Budget) map[string]int64 {
	m := map[string]int64{}
	for _, u := range b.Read() {
		m[u.Pool] = u.Held
	}
	return m
}

// TestServersHaveTheirOwnMemory: what clients hold costs no server its heartbeats, and no
// cache its beginning.
func TestServersHaveTheirOwnMemory(t *testing.T) {
	b := budget.New(64 << 20)
	s := alone(t, t.TempDir(), func(c *Config) { c.HTTP.Budget = b })
	require.Equal(t, 200, s.post("write", `[[{"/large":`+value(1<<20)+`}]]`).status)
	origin := s.get("config").header.Get(keys.OriginHeader)
	require.NotEmpty(t, origin)
	for range 2 {
		for { // what other clients hold: small requests, then large ones
			a := b.Open(budget.Client)
			if a.Take(budget.SmallBytes) != nil {
				break
			}
			t.Cleanup(a.Close)
		}
		a := b.OpenLarge(budget.Client)
		require.NoError(t, a.Take(b.Largest()-held(b)["large"]))
		t.Cleanup(a.Close)
	}
	for range answer.AtOnce {
		leave, err := s.api.Queues.Clients.Enter(t.Context())
		require.NoError(t, err)
		t.Cleanup(leave)
	}
	beat := `[[{"/arango/Sync/ServerStates/X":1}]]`
	require.Equal(t, 503, s.post("transient", beat).status, "clients hold nothing: the test proves nothing")
	ask := func(method, call, body string) reply {
		return s.ask(method, "/_api/agency/"+call, body, keys.OriginHeader, origin)
	}
	require.Equal(t, `200 [true]`, ask(http.MethodPost, "transient", beat).String(), "clients keep servers out")
	got := ask(http.MethodGet, "poll?index=0", "")
	require.Equal(t, 200, got.status, "a cache waits behind clients")
	require.Greater(t, len(got.body), 1<<20)
	require.Equal(t, 503, ask(http.MethodPost, "write", `[[{"/large":`+value(api.PeerBytes)+`}]]`).status, "what is large is none of the servers' small requests")
}

// TestJobsAreCounted: what a request holds that goes on without its client is counted until
// it ends, and its answer until it is fetched.
func TestJobsAreCounted(t *testing.T) {
	b := budget.New(64 << 20)
	s := alone(t, t.TempDir(), func(c *Config) { c.HTTP.Budget = b })
	raw := bytes.Repeat([]byte(" "), 3<<20)
	running, release := make(chan struct{}), make(chan struct{})
	serve := func(w http.ResponseWriter, r *http.Request) {
		text, read := asyncjob.Body(r)
		if !read || &text[0] != &raw[0] {
			t.Error("a body that was read is read again")
		}
		close(running)
		<-release
		_, _ = w.Write(raw[:1<<20])
	}
	account := b.Open(budget.Client)
	require.NoError(t, account.Take(int64(len(raw))))
	request := httptest.NewRequest(http.MethodPost, "/_api/agency/write", nil).WithContext(budget.With(context.Background(), account))
	request.Header.Set(asyncjob.Header, "store")
	w := httptest.NewRecorder()
	require.NoError(t, s.api.Jobs.Begin(w, request, raw, serve))
	<-running
	account.Close()
	require.GreaterOrEqual(t, held(b)["large"], int64(len(raw)), "the body of a job is not counted")
	close(release)
	id := w.Header().Get(asyncjob.IDHeader)
	require.Eventually(t, func() bool { return s.ask(http.MethodGet, "/_api/job/"+id, "").status == 200 }, waitMax, waitStep)
	require.Eventually(t, func() bool { return held(b)["large"] < int64(len(raw)) }, waitMax, waitStep, "what a job held is held when it has ended")
	require.GreaterOrEqual(t, held(b)["large"], int64(1<<20), "a kept answer is not counted")
	require.Len(t, s.ask(http.MethodPut, "/_api/job/"+id, "").body, 0) // blanks
	require.Eventually(t, func() bool { return held(b)["large"] == 0 }, waitMax, waitStep, "an answer that was fetched is held")

	full := b.OpenLarge(budget.Client)
	require.NoError(t, full.Take(b.Largest()))
	got := s.ask(http.MethodGet, "/_api/agency/config", "", asyncjob.Header, "store")
	require.Equal(t, 503, got.status, "jobs take memory that is not there: %s", got)
	full.Close()
}

// TestLargeBodiesAreNotRead: as long as there is no holder of the lock a large body is
// refused by its length.
func TestLargeBodiesAreNotRead(t *testing.T) {
	s := alone(t, t.TempDir())
	length := func() int {
		conn, err := network.TCP().DialContext(t.Context(), "tcp", strings.TrimPrefix(s.URL(), "http://"))
		require.NoError(t, err)
		defer conn.Close()
		_, err = conn.Write([]byte("POST /_api/agency/write HTTP/1.1\r\nHost: localhost\r\nContent-Length: 60000000\r\nExpect: 100-continue\r\n\r\n"))
		require.NoError(t, err)
		require.NoError(t, conn.SetReadDeadline(time.Now().Add(waitMax)))
		status := make([]byte, len("HTTP/1.1 100"))
		_, err = conn.Read(status)
		require.NoError(t, err)
		return int(status[9]-'0')*100 + int(status[10]-'0')*10 + int(status[11]-'0')
	}
	require.Equal(t, 413, length(), "a large body is read that no client may send")
	require.Equal(t, 200, s.post("write", lockHeld).status)
	require.Equal(t, 100, length(), "the holder's Plan is refused")
}

// TestAgencyMetrics: Prometheus reads how large the tree is, and its alarm.
func TestAgencyMetrics(t *testing.T) {
	s := alone(t, t.TempDir(), func(c *Config) { c.TreeQuota = 2 << 20 })
	read := func(path string) map[string]float64 {
		got := s.ask(http.MethodGet, path, "")
		require.Equal(t, 200, got.status)
		parser := expfmt.NewTextParser(model.UTF8Validation)
		families, err := parser.TextToMetricFamilies(strings.NewReader(got.body + "\n"))
		require.NoError(t, err)
		require.Contains(t, families, "stasis_http_memory_held_bytes")
		values := map[string]float64{}
		for name, f := range families {
			values[name] = f.GetMetric()[0].GetGauge().GetValue() + f.GetMetric()[0].GetCounter().GetValue()
		}
		return values
	}
	before := read("/_admin/metrics")
	require.InDelta(t, 2<<20, before["stasis_agency_tree_quota_bytes"], 0)
	require.Positive(t, before["stasis_agency_tree_bytes"])
	require.Zero(t, before["stasis_agency_tree_alarm"])
	s.fill("/fill", 64<<10)
	after := read("/_admin/metrics/v2")
	require.InDelta(t, 1, after["stasis_agency_tree_alarm"], 0, "the alarm is not told")
	require.InDelta(t, 1, after["stasis_agency_tree_refused_total"], 0)
	require.Greater(t, after["stasis_agency_tree_bytes"], before["stasis_agency_tree_bytes"]+1<<20)
}
