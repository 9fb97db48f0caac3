package agency

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	agencyclient "stasis/agency/client"
	"stasis/agency/quota"
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
	index := s.node.Raft.LastIndex()
	for _, call := range []string{"write", "transact", "transient"} {
		for name, body := range map[string]string{
			"one of 3 MiB":            `[[{"/a":` + value(3<<20) + `}]]`,
			"one among others":        `[[{"/b":1}],[{"/a":` + value(quota.MaxTransaction) + `}]]`,
			"a large precondition":    `[[{"/a":1},{"/b":` + value(3<<20) + `}]]`,
			"60 MB":                   `[[{"/a":` + value(60_000_000) + `}]]`,
			"many, together too much": `[` + strings.Repeat(`[{"/a":`+value(1<<20)+`}],`, 9) + `[{}]]`,
			"a list of nothing":       `[` + strings.Repeat(`0,`, quota.MaxEnvelope/2) + `0]`,
		} {
			got := s.post(call, body)
			require.Equal(t, 413, got.status, "%s: %s: a large transaction is let in: %.200s", call, name, got.body)
			num, reason := refused(t, got)
			require.Equal(t, 413, num)
			require.Contains(t, reason, "are allowed", name)
		}
	}
	require.Equal(t, index, s.node.Raft.LastIndex(), "nothing was proposed")
	require.Equal(t, 200, s.post("write", `[[{"/a":`+value(quota.MaxTransaction-20)+`}]]`).status)
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
	require.Equal(t, 413, s.post("write", plan(10<<20, "secret")).status, "the lock is free")
	require.Equal(t, 200, s.post("write", lockHeld).status)
	index := s.node.Raft.LastIndex()
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
	require.Equal(t, index, s.node.Raft.LastIndex(), "nothing was proposed")
	require.Equal(t, 200, s.post("write", plan(10<<20, "secret")).status)
	require.Equal(t, 200, s.post("write", plan(3<<20, "secret")).status)
	index = s.node.Raft.LastIndex()
	got := s.post("write", plan(50<<20, "secret"))
	require.Equal(t, 413, got.status)
	require.Equal(t, index, s.node.Raft.LastIndex(), "a Plan that the quota refuses was proposed")
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
	tree := func() agencyclient.Tree {
		var body struct {
			Tree agencyclient.Tree `json:"tree"`
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
	indices, err := supervisedTree{tree: s.tree, quota: s.quota, proposer: s.proposer}.Propose(t.Context(), parsed(t, raw))
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
		c.kill(leader)
		c.quotas = map[string]int64{leader: 2 << 20}
		c.start(leader)
		for c.leader() != leader {
			time.Sleep(time.Second)
			c.ask(c.leader(), "members", fmt.Sprintf(`{"transfer":true,"id":"AGNT-%s"}`, leader))
		}
		away := c.others(leader)[0]
		c.kill(away)
		for i := range 100 {
			got := c.ask(leader, "write", fmt.Sprintf(`[[{"/%d":%s}],[{"/n":{"op":"increment"}}]]`, i, value(64<<10)))
			require.Equal(t, 200, got.status)
		}
		c.start(away)
		time.Sleep(5 * time.Second)
		want := c.agents[leader].tree.State()
		require.LessOrEqual(t, want.Weight(), int64(2<<20))
		require.Less(t, want.Root().Len(), 40)
		for name, a := range c.agents {
			require.Equal(t, want.Index(), a.tree.State().Index(), name)
			require.Equal(t, want.Root().String(), a.tree.State().Root().String(), name)
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
	require.LessOrEqual(t, s.leadership.Current().Transient.State().Weight(), int64(1<<20))
	require.Equal(t, `200 [true]`, s.post("transient", `[[{"/0":1}]]`).String())
}
