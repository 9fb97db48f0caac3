package agency

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"stasis/agency/answer"
	"stasis/agency/asyncjob"
	"stasis/internal/network"
)

// slowReader asks for something and reads nothing of the answer until it is told.
func slowReader(t testing.TB, n network.Network, url string) *http.Response {
	t.Helper()
	c := newCaller(n)
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	require.NoError(t, err)
	response, err := c.http.Do(r)
	require.NoError(t, err)
	t.Cleanup(c.http.CloseIdleConnections)
	return response
}

// TestLargePollsTakeTurns: large answers are the same, sent at the same time to a few, and who does
// not read keeps no other one waiting for long; small ones are not concerned.
func TestLargePollsTakeTurns(t *testing.T) {
	inBubble(t, 1, Timing{}, func(t *testing.T, c *cluster) {
		leader := c.leader()
		for i := range 4 {
			require.Equal(t, 200, c.ask(leader, "write", fmt.Sprintf(`[[{"/%02d":%s}]]`, i, value(1<<20))).status)
		}
		url := "http://" + c.peers["AGNT-"+leader] + "/_api/agency/"
		for _, what := range []string{"poll?index=0", "stores", "state", "poll?index=0"} {
			response := slowReader(t, c.net.Host("slow"), url+what)
			defer func() { require.NoError(t, response.Body.Close()) }()
		}
		synctest.Wait()
		require.Equal(t, answer.AtOnce, c.agents[leader].api.Queues.Clients.Sending())
		require.Equal(t, 200, c.ask(leader, "read", `[["/x"]]`).status, "small answers need no place")
		begin := time.Now()
		var all sync.WaitGroup
		for range 8 {
			all.Go(func() {
				r, err := c.send(context.Background(), http.MethodGet, url+"poll?index=0", "")
				if err != nil || r.status != 200 || len(r.body) < 4<<20 {
					t.Errorf("a poll beside slow ones: %v, %d, %d bytes", err, r.status, len(r.body))
				}
			})
		}
		all.Wait()
		require.Less(t, time.Since(begin), 3*time.Minute, "who does not read keeps others waiting")
	})
}

// TestAnswerOfAnOldTree: who reads slowly while all of the tree is replaced does not
// keep the trees of the past.
func TestAnswerOfAnOldTree(t *testing.T) {
	inBubble(t, 1, Timing{}, func(t *testing.T, c *cluster) {
		leader := c.leader()
		c.agents[leader].api.Queues.Clients.Most = 4 << 20
		for i := range 8 {
			require.Equal(t, 200, c.ask(leader, "write", fmt.Sprintf(`[[{"/%d":%s}]]`, i, value(1<<20))).status)
		}
		response := slowReader(t, c.net.Host("slow"), "http://"+c.peers["AGNT-"+leader]+"/_api/agency/poll?index=0")
		synctest.Wait()
		for i := range 8 {
			require.Equal(t, 200, c.ask(leader, "write", fmt.Sprintf(`[[{"/%d":%s}]]`, i, value(1<<20))).status)
		}
		_, err := io.Copy(io.Discard, response.Body)
		require.Error(t, err, "the answer does not look whole")
		require.NoError(t, response.Body.Close())
		require.Equal(t, 200, c.ask(leader, "poll?index=0", "").status)
		synctest.Wait()
		require.Zero(t, c.agents[leader].api.Queues.Clients.Sending())
	})
}

// TestReadsAreBounded: one request does not ask for the tree a thousand times.
func TestReadsAreBounded(t *testing.T) {
	s := alone(t, t.TempDir())
	for i := range 10 {
		require.Equal(t, 200, s.post("write", fmt.Sprintf(`[[{"/%d":%s}]]`, i, value(1<<20))).status)
	}
	require.Len(t, s.post("read", `[["/"]]`).body, len(s.tree.State().Root().String())+2)
	got := s.post("read", `[`+strings.Repeat(`["/"],`, 1000)+`["/"]]`)
	require.Equal(t, 413, got.status)
	require.Equal(t, 413, s.post("transact", `[["/"],["/"]]`).status)
	require.Equal(t, 413, s.post("transact", `[`+strings.Repeat(`[{"/x":1},{"/":0}],`, 100)+`["/x"]]`).status)
	require.Equal(t, 412, s.post("transact", `[["/x"],[{"/x":1},{"/x":0}]]`).status)
}

// TestKeptAnswersAreBounded: answers that are not fetched do not fill the memory.
func TestKeptAnswersAreBounded(t *testing.T) {
	s := alone(t, t.TempDir())
	for i := range 10 {
		require.Equal(t, 200, s.post("write", fmt.Sprintf(`[[{"/%d":%s}]]`, i, value(1<<20))).status)
	}
	later := func(path string) string {
		r := s.ask(http.MethodGet, "/_api/agency/"+path, "", "x-arango-async", "store")
		require.Equal(t, 202, r.status)
		return "/_api/job/" + r.header.Get(asyncjob.IDHeader)
	}
	job := later("poll?index=0")
	require.Eventually(t, func() bool { return s.ask(http.MethodGet, job, "").status == 200 }, waitMax, waitStep)
	got := s.ask(http.MethodPut, job, "")
	require.Equal(t, 413, got.status)
	require.Contains(t, got.body, "Ask without")
	require.Zero(t, s.api.Jobs.Held())
	var last reply
	for range 100 {
		last = s.ask(http.MethodGet, "/_api/agency/poll?index=9", "", "x-arango-async", "store")
		if last.status != 202 {
			break
		}
	}
	require.Eventually(t, func() bool {
		return s.ask(http.MethodGet, "/_api/agency/poll?index=9", "", "x-arango-async", "store").status == 503
	}, waitMax, waitStep, "answers are kept without bound")
	require.LessOrEqual(t, s.api.Jobs.Held(), asyncjob.MostBytes)
	require.Eventually(t, func() bool { // some are still being made
		return s.ask(http.MethodDelete, "/_api/job/all", "").status == 200 && s.api.Jobs.Held() == 0
	}, waitMax, waitStep, "answers that are dropped are held")
}
