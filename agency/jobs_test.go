package agency

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestJobs: the life of an answer that is fetched later.
func TestJobs(t *testing.T) {
	s := alone(t, t.TempDir())
	later := s.post("write", `[[{"a":1}]]`, "x-arango-async", "store")
	require.Equal(t, "202 ", later.String())
	id := later.header.Get("X-Arango-Async-Id")
	require.NotEmpty(t, id)
	require.Eventually(t, func() bool { return s.ask("GET", "/_api/job/"+id, "").status == 200 }, waitMax, waitStep)
	require.Equal(t, `200 ["`+id+`"]`, s.ask("GET", "/_api/job/done", "").String())
	require.Equal(t, `200 []`, s.ask("GET", "/_api/job/pending", "").String())
	got := s.ask("PUT", "/_api/job/"+id, "")
	require.Equal(t, `200 {"results":[1]}`, got.String())
	require.Equal(t, id, got.header.Get("X-Arango-Async-Id"))
	require.Equal(t, 404, s.ask("PUT", "/_api/job/"+id, "").status, "it is consumed")

	forgotten := s.post("write", `[[{"a":2}]]`, "x-arango-async", "true")
	require.Equal(t, "202 ", forgotten.String())
	require.Empty(t, forgotten.header.Get("X-Arango-Async-Id"))
	require.Eventually(t, func() bool { return s.post("read", `[["a"]]`).body == `[{"a":2}]` }, waitMax, waitStep)

	poll := s.ask("GET", "/_api/agency/poll?index=3", "", "x-arango-async", "store").header.Get("X-Arango-Async-Id")
	require.Equal(t, 204, s.ask("GET", "/_api/job/"+poll, "").status)
	require.Equal(t, 204, s.ask("PUT", "/_api/job/"+poll, "").status)
	require.Equal(t, `200 ["`+poll+`"]`, s.ask("GET", "/_api/job/pending", "").String())
	require.Equal(t, `200 {"result":true}`, s.ask("PUT", "/_api/job/"+poll+"/cancel", "").String())
	require.Eventually(t, func() bool { return s.ask("GET", "/_api/job/"+poll, "").status == 200 }, waitMax, waitStep)
	require.Equal(t, http.StatusServiceUnavailable, s.ask("PUT", "/_api/job/"+poll, "").status, "cancelled")

	refused := s.post("write", `{}`, "x-arango-async", "store").header.Get("X-Arango-Async-Id")
	require.Eventually(t, func() bool { return s.ask("GET", "/_api/job/"+refused, "").status == 200 }, waitMax, waitStep)
	require.Equal(t, `200 {"result":true}`, s.ask("DELETE", "/_api/job/expired?stamp=1", "").String())
	require.Equal(t, 200, s.ask("GET", "/_api/job/"+refused, "").status, "newer than the stamp")
	require.Equal(t, `200 {"result":true}`, s.ask("DELETE", "/_api/job/all", "").String())
	for _, path := range []string{refused, "17", "x", "17/cancel"} {
		require.Equal(t, 404, s.ask("PUT", "/_api/job/"+path, "").status, path)
	}
	require.Equal(t, 405, s.ask("POST", "/_api/job/17", "").status)
	require.Equal(t, 400, s.ask("DELETE", "/_api/job/expired?stamp=x", "").status)
	require.Equal(t, 404, s.post("nothing", "[]", "x-arango-async", "store").status, "there is nothing to wait for")
}

// TestPollIsStoredBeforeTheWriteIsAnswered: a client that fetches a poll right after the
// write that fires it finds it there, with all that was written at once.
func TestPollIsStoredBeforeTheWriteIsAnswered(t *testing.T) {
	inBubble(t, 3, Timing{}, func(t *testing.T, c *cluster) {
		leader := c.leader()
		for i := range 50 {
			from := c.agents[leader].tree.State().Index() + 1
			id := c.ask(leader, "poll?index="+fmt.Sprint(from), "", "x-arango-async", "store").header.Get("X-Arango-Async-Id")
			require.Equal(t, 200, c.ask(leader, "write", `[[{"a":1}],[{"b":1}],[{"c":1}]]`).status)
			r, err := c.send(t.Context(), http.MethodPut, "http://"+c.peers["AGNT-"+leader]+"/_api/job/"+id, "")
			require.NoError(t, err)
			require.Equal(t, 200, r.status, "round %d: %s", i, r)
			require.Contains(t, r.body, `"commitIndex":`+fmt.Sprint(from+2)+`,`)
		}
	})
}

// TestFollowersAreTold: of a change after silence at once, of many changes in
// fewer answers than changes, and of every one.
func TestFollowersAreTold(t *testing.T) {
	inBubble(t, 3, Timing{}, func(t *testing.T, c *cluster) {
		leader := c.leader()
		const followers, changes = 20, 100
		seen, answers := make([]int, followers), make([]int, followers)
		ended := make(chan error, followers)
		for f := range followers {
			go func() {
				for next := 1; next <= changes; answers[f]++ {
					r, err := c.try(t.Context(), leader, "poll?index="+fmt.Sprint(uint64(next)), "")
					if err != nil {
						ended <- err
						return
					}
					var body struct {
						Result struct{ Log []struct{ Index int } }
					}
					if err := decode(r, &body); err != nil {
						ended <- err
						return
					}
					for _, e := range body.Result.Log {
						if e.Index == next {
							seen[f]++
							next++
						}
					}
				}
				ended <- nil
			}()
		}
		time.Sleep(time.Second)
		for range changes {
			require.Equal(t, 200, c.ask(leader, "write", `[[{"a":{"op":"increment"}}]]`).status)
			time.Sleep(time.Millisecond)
		}
		for range followers {
			require.NoError(t, <-ended)
		}
		for f := range followers {
			require.Equal(t, changes, seen[f])
			require.Less(t, answers[f], changes/2, "answers are shared by changes")
		}
	})
}
