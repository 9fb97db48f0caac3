package agency

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/raft"
	"github.com/stretchr/testify/require"

	"stasis/agency/client"
	"stasis/fsm"
	"stasis/internal/budget"
	"stasis/internal/network"
)

// value is a JSON string of n bytes.
func value(n int) string { return `"` + strings.Repeat("x", n-2) + `"` }

// refused is the number and the reason of an answer that is an error.
func refused(t testing.TB, r reply) (num int, reason string) {
	t.Helper()
	body := decoded(t, r)
	require.Equal(t, true, body["error"], r)
	return int(body["errorNum"].(float64)), body["errorMessage"].(string)
}

// TestLargeTransactionsAreRefused: what a client writes is bounded, by every call that
// writes, before it is proposed.
func TestLargeTransactionsAreRefused(t *testing.T) {
	s := alone(t, t.TempDir())
	index := s.raft.LastIndex()
	for _, call := range []string{"write", "transact", "transient"} {
		for name, body := range map[string]string{
			"one of 3 MiB":            `[[{"/a":` + value(3<<20) + `}]]`,
			"one among others":        `[[{"/b":1}],[{"/a":` + value(maxTransaction) + `}]]`,
			"a large precondition":    `[[{"/a":1},{"/b":` + value(3<<20) + `}]]`,
			"60 MB":                   `[[{"/a":` + value(60_000_000) + `}]]`,
			"many, together too much": `[` + strings.Repeat(`[{"/a":`+value(1<<20)+`}],`, 9) + `[{}]]`,
			"a list of nothing":       `[` + strings.Repeat(`0,`, maxEnvelope/2) + `0]`,
		} {
			got := s.post(call, body)
			require.Equal(t, 413, got.status, "%s: %s: a large transaction is let in: %.200s", call, name, got.body)
			num, reason := refused(t, got)
			require.Equal(t, 413, num)
			require.Contains(t, reason, "are allowed", name)
		}
	}
	require.Equal(t, index, s.raft.LastIndex(), "nothing was proposed")
	require.Equal(t, 200, s.post("write", `[[{"/a":`+value(maxTransaction-20)+`}]]`).status)
}

// lockHeld makes the agency one whose lock is held with a nonce.
const lockHeld = `[[{"/arango/Target/HotBackup":{"Create":"t","Holder":{"nonce":"secret"}}}]]`

// plan is a change of Plan by who shows a nonce.
func plan(size int, nonce string) string {
	return `[[{"/arango/Plan/Collections":` + value(size) + `},{"/arango/Target/HotBackup/Holder/nonce":"` + nonce + `"}]]`
}

// TestLargePlanIsTheHolders: only who holds the lock may write a large Plan, and the
// tree's quota bounds that.
func TestLargePlanIsTheHolders(t *testing.T) {
	s := alone(t, t.TempDir(), func(c *Config) { c.TreeQuota = 40 << 20 })
	require.Equal(t, 413, s.post("write", plan(10<<20, "secret")).status, "nobody holds the lock")
	require.Equal(t, 200, s.post("write", lockHeld).status)
	index := s.raft.LastIndex()
	for _, body := range []string{
		plan(10<<20, "guess"), plan(3<<20, "guess"),
		`[[{"/arango/Plan":` + value(10<<20) + `}]]`,
		`[[{"/other":` + value(10<<20) + `},{"/arango/Target/HotBackup/Holder/nonce":"secret"}]]`,
		`[[{"/arango/Plan":` + value(5<<20) + `},{"/arango/Target/HotBackup/Holder/nonce":"secret"}],[{"/arango/Plan":` + value(5<<20) + `}]]`,
		`[[{"/arango/Plan":1},{"/arango/Target/HotBackup/Holder/nonce":"secret","/x":` + value(10<<20) + `}]]`,
	} {
		got := s.post("write", body)
		require.Equal(t, 413, got.status, "who does not hold the lock writes a large Plan: %.100s", body)
	}
	require.Equal(t, index, s.raft.LastIndex(), "nothing was proposed")
	require.Equal(t, 200, s.post("write", plan(10<<20, "secret")).status)
	require.Equal(t, 200, s.post("write", plan(3<<20, "secret")).status)
	got := s.post("write", plan(50<<20, "secret"))
	require.Equal(t, 413, got.status)
	num, reason := refused(t, got)
	require.Equal(t, 32, num)
	require.Contains(t, reason, "--tree-quota")
}

// fill writes values until the quota is reached, and gives the last answer.
func (s *single) fill(path string, size int) (n int, last reply) {
	s.t.Helper()
	for ; n < 10_000; n++ {
		if last = s.post("write", fmt.Sprintf(`[[{"%s/%06d":%s}]]`, path, n, value(size))); last.status != 200 {
			return n, last
		}
	}
	require.Fail(s.t, "the tree grows without end")
	return n, last
}

// TestTreeQuota: the tree does not grow above its quota; what makes it no larger goes on,
// also the books of the cluster; the alarm is told, and ends when there is room.
func TestTreeQuota(t *testing.T) {
	dir := t.TempDir()
	small := func(c *Config) { c.TreeQuota = 4 << 20 }
	s := alone(t, dir, small)
	require.Equal(t, 200, s.post("write", `[[{"/arango/Target/HotBackup":{"Create":"t","Holder":{"nonce":"n"}},"/arango/Current/list":["a","b"],"/n":1}]]`).status)
	tree := func() client.Tree {
		var body struct {
			Tree client.Tree `json:"tree"`
		}
		require.NoError(t, json.Unmarshal([]byte(s.get("config").body), &body))
		return body.Tree
	}
	require.Empty(t, tree().Alarm)
	n, last := s.fill("/fill", 64<<10)
	require.Equal(t, 413, last.status, last.body)
	num, reason := refused(t, last)
	require.Equal(t, 32, num)
	require.Contains(t, reason, "Delete what is not needed")
	require.Contains(t, tree().Alarm, "--tree-quota")
	require.NotZero(t, tree().Refused)
	require.LessOrEqual(t, tree().Bytes, int64(4<<20))
	fill2, _ := s.fill("/small", 1000)
	require.Positive(t, fill2)

	// What the cluster needs to go on.
	for _, body := range []string{
		`[[{"/n":{"op":"increment"}}]]`, `[[{"/fill/000000":` + value(64<<10) + `}]]`,
		`[[{"/arango/Current/list":{"op":"push","new":"c"}}]]`, `[[{"/arango/Supervision/Health/x":{"Status":"FAILED"}}]]`,
		`[[{"/arango/Target/HotBackup/Create":{"op":"delete"},"/arango/Target/HotBackup/Holder":{"op":"delete"}},{"/arango/Target/HotBackup/Holder/nonce":"n"}]]`,
	} {
		require.Equal(t, 200, s.post("write", body).status, body)
	}
	got := s.post("write", `[[{"/more":`+value(2000)+`}],[{"/n":{"op":"increment"}}]]`)
	require.Equal(t, `200 {"results":[0,`, got.String()[:len(`200 {"results":[0,`)], "something was applied: the results tell")
	require.Equal(t, 413, s.post("transact", `[[{"/more":`+value(2000)+`}]]`).status)

	books, last := s.fill("/arango/Current/fill", 16<<10)
	require.Equal(t, 413, last.status, "the reserve ends")
	require.Greater(t, books, 10)
	tx := `[{"/arango/Target/Failed/1":` + value(100<<10) + `}]`
	require.Zero(t, s.supervise(t, tx, false), "half of the reserve is the leader's own")

	s.end() // it is as it was after a restart, by the log and by a snapshot
	s = alone(t, dir, small)
	require.NotEmpty(t, tree().Alarm)
	require.Equal(t, 413, s.post("write", `[[{"/more":`+value(2000)+`}]]`).status)
	require.Equal(t, 200, s.post("compact", "").status)
	s.end()
	s = alone(t, dir, small)
	require.Equal(t, 413, s.post("write", `[[{"/more":`+value(2000)+`}]]`).status)

	var ops []string
	for i := range n {
		ops = append(ops, fmt.Sprintf(`"/fill/%06d":{"op":"delete"}`, i))
	}
	require.Equal(t, 200, s.post("write", `[[{`+strings.Join(ops, ",")+`}]]`).status, "the way out")
	require.Equal(t, 200, s.post("write", `[[{"/more":`+value(2000)+`}]]`).status)
	require.Empty(t, tree().Alarm)
}

// supervise proposes as the leader's own supervision does, 0 if it is applied.
func (s *single) supervise(t *testing.T, raw string, fails bool) (missed int) {
	t.Helper()
	indices, err := supervisedTree{agent: s.Agent}.Propose(t.Context(), parsed(t, raw))
	require.Equal(t, fails, err != nil)
	for _, index := range indices {
		if index == 0 {
			missed++
		}
	}
	return missed
}

// TestQuotaIsTheSameOnAll: what an agent refuses by its quota all agents refuse, whatever
// their own quota is; a tree that is filled while agents are away is the same when they
// are back.
func TestQuotaIsTheSameOnAll(t *testing.T) {
	inBubble(t, 3, Timing{}, func(t *testing.T, c *cluster) {
		leader := c.leader()
		c.agents[leader].machine.quota.bytes = 2 << 20
		away := c.others(leader)[0]
		c.kill(away)
		for i := range 100 {
			got := c.ask(leader, "write", fmt.Sprintf(`[[{"/%d":%s}],[{"/n":{"op":"increment"}}]]`, i, value(64<<10)))
			require.Equal(t, 200, got.status)
		}
		c.start(away)
		time.Sleep(5 * time.Second)
		want := c.agents[leader].machine.state()
		require.LessOrEqual(t, want.Weight(), int64(2<<20))
		require.Less(t, want.Root().Len(), 40)
		for name, a := range c.agents {
			require.Equal(t, want.Index(), a.machine.state().Index(), name)
			require.Equal(t, want.Root().String(), a.machine.state().Root().String(), name)
		}
	})
}

// TestLimitsAreWrittenWhereTheyMatter: an agent of an earlier version can read what is
// written as long as the tree is far from its quota.
func TestLimitsAreWrittenWhereTheyMatter(t *testing.T) {
	s := alone(t, t.TempDir(), func(c *Config) { c.TreeQuota = 2 << 20 })
	format := func() byte {
		return newestEntry(t, s)[0]
	}
	require.Equal(t, 200, s.post("write", `[[{"/a":1}]]`).status)
	require.EqualValues(t, 1, format())
	require.Equal(t, 200, s.post("write", `[[{"/a":`+value(1900<<10)+`}]]`).status)
	require.EqualValues(t, 1, format())
	require.Equal(t, 200, s.post("write", `[[{"/a":`+value(1900<<10)+`}]]`).status)
	require.EqualValues(t, 2, format(), "the agent that proposes cannot know that it fits")
}

// TestTransientIsBounded: the tree in the leader's memory is, too.
func TestTransientIsBounded(t *testing.T) {
	s := alone(t, t.TempDir(), func(c *Config) { c.TreeQuota = 4 << 20 })
	last := ""
	for i := range 100 {
		last = s.post("transient", fmt.Sprintf(`[[{"/%d":%s}]]`, i, value(64<<10))).String()
	}
	require.Equal(t, `200 [false]`, last)
	require.LessOrEqual(t, s.current.Load().transient.state().Weight(), int64(1<<20))
	require.Equal(t, `200 [true]`, s.post("transient", `[[{"/0":1}]]`).String())
}

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
		for i := range 20 {
			require.Equal(t, 200, c.ask(leader, "write", fmt.Sprintf(`[[{"/%02d":%s}]]`, i, value(1<<20))).status)
		}
		url := "http://" + c.peers["AGNT-"+leader] + "/_api/agency/"
		for _, what := range []string{"poll?index=0", "stores", "state", "poll?index=0"} {
			response := slowReader(t, c.net.Host("slow"), url+what)
			defer func() { require.NoError(t, response.Body.Close()) }()
		}
		synctest.Wait()
		require.Len(t, c.agents[leader].large.places, largeAtOnce)
		require.Equal(t, 200, c.ask(leader, "read", `[["/x"]]`).status, "small answers need no place")
		begin := time.Now()
		var all sync.WaitGroup
		for range 8 {
			all.Go(func() {
				r, err := c.send(context.Background(), http.MethodGet, url+"poll?index=0", "")
				if err != nil || r.status != 200 || len(r.body) < 20<<20 {
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
		c.agents[leader].large.most = 4 << 20
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
		require.Empty(t, c.agents[leader].large.places)
	})
}

// TestReadsAreBounded: one request does not ask for the tree a thousand times.
func TestReadsAreBounded(t *testing.T) {
	s := alone(t, t.TempDir())
	for i := range 10 {
		require.Equal(t, 200, s.post("write", fmt.Sprintf(`[[{"/%d":%s}]]`, i, value(1<<20))).status)
	}
	require.Len(t, s.post("read", `[["/"]]`).body, len(s.machine.state().Root().String())+2)
	got := s.post("read", `[`+strings.Repeat(`["/"],`, 1000)+`["/"]]`)
	require.Equal(t, 413, got.status)
	require.Equal(t, 413, s.post("transact", `[["/"],["/"]]`).status)
	require.Equal(t, 413, s.post("transact", `[`+strings.Repeat(`[{"/x":1},{"/":0}],`, 100)+`["/x"]]`).status)
	require.Equal(t, 412, s.post("transact", `[["/x"],[{"/x":1},{"/x":0}]]`).status)
}

// TestKeptAnswersAreBounded: answers that nobody fetches do not fill the memory.
func TestKeptAnswersAreBounded(t *testing.T) {
	s := alone(t, t.TempDir())
	for i := range 10 {
		require.Equal(t, 200, s.post("write", fmt.Sprintf(`[[{"/%d":%s}]]`, i, value(1<<20))).status)
	}
	later := func(path string) string {
		r := s.ask(http.MethodGet, "/_api/agency/"+path, "", "x-arango-async", "store")
		require.Equal(t, 202, r.status)
		return "/_api/job/" + r.header.Get(asyncIDHeader)
	}
	job := later("poll?index=0")
	require.Eventually(t, func() bool { return s.ask(http.MethodGet, job, "").status == 200 }, waitMax, waitStep)
	got := s.ask(http.MethodPut, job, "")
	require.Equal(t, 413, got.status)
	require.Contains(t, got.body, "Ask without")
	require.Zero(t, s.jobs.held())
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
	require.LessOrEqual(t, s.jobs.held(), jobsBytes)
	require.Eventually(t, func() bool { // some are still being made
		return s.ask(http.MethodDelete, "/_api/job/all", "").status == 200 && s.jobs.held() == 0
	}, waitMax, waitStep, "answers that are dropped are held")
}

// held is how many bytes kept answers have.
func (j *jobs) held() int {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.bytes
}

// TestNoWaitIsBounded: who does not wait for outcomes does not fill the queue.
func TestNoWaitIsBounded(t *testing.T) {
	inBubble(t, 3, Timing{}, func(t *testing.T, c *cluster) {
		leader := c.leader()
		for _, name := range c.others(leader) {
			c.net.Cut(name, leader)
			c.net.Cut(leader, name)
		}
		status := map[int]int{}
		for range 30 {
			r := c.ask(leader, "write", `[[{"/a":`+value(1<<20)+`}]]`, modeHeader, "noWait")
			status[r.status]++
		}
		require.NotZero(t, status[503], status)
		require.LessOrEqual(t, c.agents[leader].proposer.waiting(), 2*maxWaiting)
	})
}

// TestSnapshotsByBytes: Raft's log is replaced by a snapshot long before there are many
// entries, and does not keep more bytes than it may, on leader and followers.
func TestSnapshotsByBytes(t *testing.T) {
	inBubble(t, 3, Timing{SnapshotBytes: 4 << 20, TrailingBytes: 2 << 20}, func(t *testing.T, c *cluster) {
		leader := c.leader()
		for range 40 {
			require.Equal(t, 200, c.ask(leader, "write", `[[{"/a":`+value(500<<10)+`}]]`).status)
		}
		time.Sleep(time.Minute)
		for name, a := range c.agents {
			shots, err := a.disk.shots.List()
			require.NoError(t, err)
			require.NotEmpty(t, shots, "%s: the log grows without a snapshot", name)
			first, err := a.disk.log.FirstIndex()
			require.NoError(t, err)
			require.Greater(t, first, uint64(20), name)
			require.EqualValues(t, a.timing.TrailingLogs, 8192)
		}
	})
}

// TestWriteAllIsDivided: many transactions are sent in several requests, in order.
func TestWriteAllIsDivided(t *testing.T) {
	s := alone(t, t.TempDir(), func(c *Config) { c.HTTP.Budget = budget.New(1 << 30) })
	c := client.New(client.Options{Endpoints: []string{s.URL()}, HTTP: s.http, Logger: logger(t)})
	var txs []client.Tx
	for i := range 30 {
		txs = append(txs, client.Tx{Ops: map[string]any{fmt.Sprint("/", i): strings.Repeat("x", 1<<20)}})
	}
	results, err := c.WriteAll(t.Context(), txs...)
	require.NoError(t, err)
	require.Len(t, results, 30)
	for i, index := range results {
		require.EqualValues(t, i+1, index)
	}
	_, err = c.Write(t.Context(), client.Tx{Ops: map[string]any{"/x": strings.Repeat("x", 3<<20)}})
	require.ErrorIs(t, err, client.ErrRejected)
	require.ErrorContains(t, err, "are allowed")
}

// newestEntry is what the newest entry of an agent's log carries.
func newestEntry(t testing.TB, s *single) []byte {
	t.Helper()
	var entry raft.Log
	require.NoError(t, s.disk.log.GetLog(s.raft.LastIndex(), &entry))
	return entry.Data
}

// parsed is one transaction.
func parsed(t testing.TB, raw string) []fsm.Transaction {
	t.Helper()
	tx, err := fsm.ParseTransaction([]byte(raw))
	require.NoError(t, err)
	return []fsm.Transaction{tx}
}

// TestLargePlanCostsNoLeadership: the largest entry there can be is replicated over a slow network
// while the leader leads on and serves others, also small writes that come after.
func TestLargePlanCostsNoLeadership(t *testing.T) {
	inBubble(t, 3, Timing{}, func(t *testing.T, c *cluster) {
		leader := c.leader()
		require.Equal(t, 200, c.ask(leader, "write", lockHeld).status)
		term := c.agents[leader].raft.CurrentTerm()
		for _, name := range c.others(leader) {
			c.net.Throttle(leader, name, 3<<20)
		}
		done := make(chan reply, 1)
		go func() {
			r, err := c.try(context.Background(), leader, "write", plan(60<<20, "secret"))
			if err != nil {
				r.body = err.Error()
			}
			done <- r
		}()
		time.Sleep(time.Second)
		for range 30 {
			require.Equal(t, 200, c.ask(leader, "read", `[["/x"]]`).status, "reads are confirmed beside it")
			time.Sleep(time.Second)
		}
		require.Equal(t, 408, (<-done).status, "it takes longer than a write waits")
		require.Equal(t, 200, c.ask(leader, "write", `[[{"/x":1}]]`).status)
		time.Sleep(5 * time.Second)
		for name, a := range c.agents {
			require.Greater(t, a.machine.state().Weight(), int64(60<<20), "%s: the entry does not arrive", name)
			require.Equal(t, term, a.raft.CurrentTerm(), "the leadership was lost")
		}
	})
}
