package dbserver

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stasis/agency/keys"
	dbclient "stasis/dbserver/client"
	"stasis/dbserver/engine"
	"stasis/dbserver/shard"
)

// stranger posts what someone who reaches the port of a DB server may post, and gives the
// answer.
func (h *house) stranger(s *Server, path string, body any) (status int, answer dbclient.ReplicaAnswer) {
	h.t.Helper()
	raw, err := json.Marshal(body)
	require.NoError(h.t, err)
	url := s.URL() + strings.Replace(path, "{shard}", "s101", 1)
	req, err := http.NewRequestWithContext(h.t.Context(), http.MethodPost, url, bytes.NewReader(raw))
	require.NoError(h.t, err)
	req.Header.Set(dbclient.EpochHeader, fmt.Sprint(h.target(s).Epoch))
	resp, err := h.web.Do(req)
	require.NoError(h.t, err)
	read, err := io.ReadAll(resp.Body)
	require.NoError(h.t, err)
	require.NoError(h.t, resp.Body.Close())
	if resp.StatusCode == http.StatusOK {
		require.NoError(h.t, json.Unmarshal(read, &answer))
	}
	return resp.StatusCode, answer
}

// tenure is that of the planned leader.
func (h *house) tenure(leader *Server) dbclient.Tenure {
	term, _ := h.read(keys.PlanTerm("_system", "100", "s101")).Int()
	reboot, _ := h.read(keys.ServerKnown(leader.ID()) + "/rebootId").Int()
	return dbclient.Tenure{Term: uint64(term), Reboot: uint64(reboot)}
}

// stateOf is where the replica on a server stands.
func (h *house) stateOf(s *Server) shard.State {
	h.t.Helper()
	_, d, leave, err := s.access.Enter(h.t.Context())
	require.NoError(h.t, err)
	defer leave()
	on, err := d.Replica("s101")
	require.NoError(h.t, err)
	return on.Shard.State()
}

// unharmed demands that all documents are on all replicas, and that the shard goes on.
func (h *house) unharmed(n int, replicas ...*Server) {
	h.t.Helper()
	leader := replicas[0]
	h.await("a leader answers", func() bool { return leader.serves() })
	require.Len(h.t, h.keysOf(leader, "s101"), n, "acknowledged documents are gone")
	require.NoError(h.t, h.put(leader, "s101", key(0), `{"after":true}`), "the shard takes no writes any more")
	h.alike("s101", replicas...)
	require.EqualValues(h.t, n, h.stateOf(leader).Count)
}

// attacked starts three replicas with documents, has the attack done on each of them, and
// demands that nothing has come of it, neither at once nor after all have started again.
func attacked(t *testing.T, attack func(t *testing.T, h *house, leader, s *Server)) {
	inBubble(t, func(t *testing.T, h *house) {
		names := []string{"db1", "db2", "db3"}
		all := []*Server{h.start("db1"), h.start("db2"), h.start("db3")}
		h.replicated("100", "s101", all...)
		for i := range 20 {
			require.NoError(t, h.put(all[0], "s101", key(i), `{"n":1}`))
		}
		h.alike("s101", all...)
		before := h.stateOf(all[0])
		for _, s := range all {
			attack(t, h, all[0], s)
		}
		for _, s := range all {
			require.Equal(t, before, h.stateOf(s), "it is stored")
		}
		h.unharmed(20, all...)
		for _, name := range names {
			h.stop(name)
		}
		for i, name := range names {
			s, err := h.tryStart(name)
			require.NoError(t, err)
			all[i] = s
		}
		h.inSync("100", "s101", all[0].ID(), all[1].ID(), all[2].ID())
		h.unharmed(20, all...)
	})
}

// A promise of a term that Plan does not have is not taken, on the leader or elsewhere, and
// nothing of it is on disk: it would refuse every leader to come, for ever.
func TestPromiseOfATermThatPlanDoesNotHave(t *testing.T) {
	attacked(t, func(t *testing.T, h *house, leader, s *Server) {
		own := h.tenure(leader)
		for _, tenure := range []dbclient.Tenure{
			{Term: math.MaxUint64, Reboot: math.MaxUint64}, {Term: math.MaxUint64}, {Term: own.Term + 1, Reboot: own.Reboot}, {Term: own.Term, Reboot: own.Reboot + 1}, {},
		} {
			status, a := h.stranger(s, dbclient.PathPromise, tenure)
			require.False(t, status == http.StatusOK && a.Refused == "", "it is promised: %+v", a)
		}
		status, _ := h.stranger(s, dbclient.PathPromise, own)
		require.Equal(t, s != leader, status == http.StatusOK, "the leader promises its own tenure to no other server")
	})
}

// An empty copy erases nothing, in whichever tenure it is brought: no replica that counts as
// in sync takes one, and the leader takes none.
func TestEmptyCopyByAStranger(t *testing.T) {
	attacked(t, func(t *testing.T, h *house, leader, s *Server) {
		own := h.tenure(leader)
		for i, tenure := range []dbclient.Tenure{own, {Term: math.MaxUint64}, {Term: own.Term + 1, Reboot: own.Reboot}} {
			copy := dbclient.CopyRequest{Tenure: tenure, Copy: uint64(100 + i), Begin: true}
			status, a := h.stranger(s, dbclient.PathCopy, copy)
			require.False(t, status == http.StatusOK && a.Refused == "", "a copy begins: %+v", a)
			copy.Begin, copy.End = false, &dbclient.ReplicaState{}
			status, a = h.stranger(s, dbclient.PathCopy, copy)
			require.False(t, status == http.StatusOK && a.Refused == "", "a copy ends: %+v", a)
			copy.Begin = true
			status, a = h.stranger(s, dbclient.PathCopy, copy)
			require.False(t, status == http.StatusOK && a.Refused == "", "a copy begins and ends: %+v", a)
			copy = dbclient.CopyRequest{Tenure: tenure, Copy: uint64(100 + i), Entries: dbclient.AppendBlob(dbclient.AppendBlob(nil, []byte("k")), []byte("garbage"))}
			status, a = h.stranger(s, dbclient.PathCopy, copy)
			require.False(t, status == http.StatusOK && a.Refused == "", "a copy goes on: %+v", a)
		}
	})
}

// Records that no leader can have sent are not stored, though the tenure is Plan's; of a
// tenure that Plan does not have no record is.
func TestRecordsByAStranger(t *testing.T) {
	attacked(t, func(t *testing.T, h *house, leader, s *Server) {
		own, last := h.tenure(leader), h.stateOf(leader).Last
		prev := dbclient.Position{Tenure: dbclient.Tenure(last.Tenure), Seq: last.Seq}
		later := dbclient.Tenure{Term: math.MaxUint64, Reboot: 1}
		document := func(key string, time uint64) []byte {
			return fmt.Appendf(binary.BigEndian.AppendUint64(nil, time), `{"_key":%q,"_id":"c/%s"}`, key, key)
		}
		record := func(t dbclient.Tenure, time uint64, added int64, c ...shard.Change) []byte {
			r := shard.Record{Tenure: shard.Tenure(t), Seq: prev.Seq + 1, Time: time, Added: added, Changes: c}
			return dbclient.AppendBlob(nil, r.Encode())
		}
		truncate := shard.Change{Kind: shard.Truncate}
		good := record(own, 7, 1, shard.Change{Kind: shard.Put, Key: "x", Value: document("x", 7)})
		for name, r := range map[string]dbclient.AcceptRequest{
			"garbage":                      {Tenure: own, Prev: prev, Records: []byte("garbage")},
			"a blob that is no record":     {Tenure: own, Prev: prev, Records: dbclient.AppendBlob(nil, []byte("\x02garbage"))},
			"a value that is no document":  {Tenure: own, Prev: prev, Records: record(own, 7, 1, shard.Change{Kind: shard.Put, Key: "x", Value: []byte("garbage!!")})},
			"a key that is none":           {Tenure: own, Prev: prev, Records: record(own, 7, 1, shard.Change{Kind: shard.Put, Key: "\x00", Value: document("\x00", 7)})},
			"a time that stops the clock":  {Tenure: own, Prev: prev, Records: record(own, math.MaxUint64, 1, shard.Change{Kind: shard.Put, Key: "x", Value: document("x", math.MaxUint64)})},
			"a record of a later tenure":   {Tenure: own, Prev: prev, Records: record(later, 7, 0, truncate)},
			"a truncation in a later one":  {Tenure: later, Prev: prev, Records: record(later, 7, 0, truncate), Commit: math.MaxUint64},
			"nothing, in a later one":      {Tenure: later, Prev: prev, Commit: math.MaxUint64},
			"a good record in a later one": {Tenure: later, Prev: prev, Records: good, Commit: math.MaxUint64},
			"a hole":                       {Tenure: own, Prev: dbclient.Position{Tenure: own, Seq: prev.Seq + 1}, Records: good},
			"behind all numbers":           {Tenure: own, Prev: dbclient.Position{Tenure: own, Seq: math.MaxUint64}, Records: good},
		} {
			status, a := h.stranger(s, dbclient.PathAccept, r)
			require.False(t, status == http.StatusOK && a.Refused == "", "%s: %+v", name, a)
		}
		if s == leader {
			status, a := h.stranger(s, dbclient.PathAccept, dbclient.AcceptRequest{Tenure: own, Prev: prev, Records: good, Commit: math.MaxUint64})
			require.False(t, status == http.StatusOK && a.Refused == "", "the leader follows: %+v", a)
		}
		status, _ := h.stranger(s, dbclient.PathLog, dbclient.LogRequest{From: 0})
		require.Equal(t, http.StatusBadRequest, status)
	})
}

// A promise that an earlier version took from anyone, and that is on disk on every replica,
// with a record behind it that is not committed, keeps no leader out.
func TestPromiseOfAnEarlierVersionThatPlanNeverHad(t *testing.T) {
	inBubble(t, func(t *testing.T, h *house) {
		names := []string{"db1", "db2", "db3"}
		all := []*Server{h.start("db1"), h.start("db2"), h.start("db3")}
		h.replicated("100", "s101", all...)
		for i := range 20 {
			require.NoError(t, h.put(all[0], "s101", key(i), `{}`))
		}
		h.alike("s101", all...)
		bogus := shard.Tenure{Term: math.MaxUint64, Reboot: 3}
		for i, name := range names {
			h.stop(name)
			e, err := engine.Open("data/engine", engine.Options{FS: h.fs[name], CacheBytes: 1 << 20, MemTableBytes: 1 << 20})
			require.NoError(t, err)
			s, err := shard.Open(shard.Env{Engine: e, Clock: &shard.Clock{}}, "s101")
			require.NoError(t, err)
			st, err := s.Promise(bogus)
			require.NoError(t, err)
			if i > 0 { // the leader's log is then not the longest, by its numbers
				_, err = s.Accept(shard.Batch{Tenure: bogus, Prev: st.Last, Records: []shard.Record{{Tenure: bogus, Seq: st.Last.Seq + 1, Time: 9, Changes: []shard.Change{{Kind: shard.Truncate}}}}})
				require.NoError(t, err)
			}
			require.NoError(t, e.Close())
		}
		for i, name := range names {
			s, err := h.tryStart(name)
			require.NoError(t, err)
			all[i] = s
		}
		h.inSync("100", "s101", all[0].ID(), all[1].ID(), all[2].ID())
		h.unharmed(20, all...)
		require.Equal(t, shard.Tenure(h.tenure(all[0])), h.stateOf(all[1]).Promised)
	})
}

// A follower whose watch is behind does not obey a leader that it cannot know yet: it finds
// out, and obeys. One that cannot ask the agency obeys no new leader, and goes on with the
// one that it has promised.
func TestFollowersWithoutTheAgency(t *testing.T) {
	inBubble(t, func(t *testing.T, h *house) {
		a, b, c := h.start("db1"), h.start("db2"), h.start("db3")
		h.replicated("100", "s101", a, b, c)
		h.net.Cut("db3", "agent")
		h.net.Cut("agent", "db3")
		seen := c.cluster.cache.Snapshot().Index
		for i := range 20 {
			require.NoError(t, h.put(a, "s101", key(i), `{}`))
			time.Sleep(200 * time.Millisecond)
		}
		h.alike("s101", a, b, c)
		require.Equal(t, []string{a.ID(), b.ID(), c.ID()}, h.report("100", "s101").Servers, "a follower that goes on following has to leave")

		h.plan("100", "s101", 2, b.ID(), a.ID(), c.ID())
		h.inSync("100", "s101", b.ID(), a.ID())
		require.NoError(t, h.put(b, "s101", "later", `{}`))
		require.Equal(t, shard.Tenure(dbclient.Tenure{Term: 1, Reboot: 1}), h.stateOf(c).Promised, "it obeys a leader that it cannot know")
		status, _ := h.stranger(c, dbclient.PathPromise, h.tenure(b))
		require.Equal(t, http.StatusServiceUnavailable, status, "it may become known")
		require.Equal(t, seen, c.cluster.cache.Snapshot().Index, "it has not lost the agency")

		h.net.HealAll()
		h.inSync("100", "s101", b.ID(), a.ID(), c.ID())
		h.alike("s101", a, b, c)
	})
}
