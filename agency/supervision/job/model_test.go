package job_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	agencyclient "stasis/agency/client"
	"stasis/agency/keys"
	"stasis/agency/supervision/job"
	"stasis/event"
	"stasis/fsm"
)

// model is a cluster to which anything may happen in any order, under two agency
// leaders of which one may decide on an old tree.
type model struct {
	*cluster
	rt      *rapid.T
	deposed *job.Memory // what another leader knows
	old     *fsm.Node   // a tree of some time ago
	lossy   map[string]bool
}

// Whatever fails, whenever the agency's leader changes, when Plan is frozen and
// whatever people ask for: each change of Plan keeps the promises, and once the cluster
// is left alone every job ends and every shard is served in full.
func TestAnythingMayHappen(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		m := newModel(rt)
		m.changed = m.check
		for range rapid.IntRange(5, 80).Draw(rt, "steps") {
			m.step(rapid.SampledFrom(happenings).Draw(rt, "then"))
			m.checkData()
		}
		m.leaveAlone()
	})
}

func newModel(rt *rapid.T) *model {
	n := rapid.IntRange(2, 5).Draw(rt, "servers")
	m := &model{cluster: newCluster(rt, n), rt: rt, deposed: job.NewMemory(nil), lossy: map[string]bool{}}
	factor := rapid.IntRange(1, min(n, 3)).Draw(rt, "factor")
	for i := range rapid.IntRange(1, 4).Draw(rt, "shards") {
		first := rapid.IntRange(0, n-1).Draw(rt, "leader")
		var servers []string
		for k := range factor {
			servers = append(servers, name((first+k)%n+1))
		}
		m.shard(fmt.Sprintf("s%d", i), factor, servers...)
	}
	m.old = m.root()
	if rapid.Bool().Draw(rt, "in sync") {
		m.run(3)
	}
	return m
}

var happenings = []string{
	"serve", "serve", "serve", "work", "work", "work", "pass", "pass", "time", "time", "write", "write",
	"kill", "pause", "start", "start", "judge", "judge", "judge one", "stale", "change of leader",
	"move", "move leader", "clean out", "resign", "abort", "factor", "freeze", "thaw", "wait", "maintenance",
}

func (m *model) step(what string) {
	servers := m.ids()
	some := func() string { return rapid.SampledFrom(servers).Draw(m.rt, "server") }
	shard := func() string { return rapid.SampledFrom(m.shards()).Draw(m.rt, "shard") }
	switch what {
	case "serve":
		m.serve()
	case "work":
		m.work()
	case "pass":
		m.decide(m.memory, m.root())
	case "stale":
		m.decide(m.deposed, m.old)
		m.old = m.root()
	case "change of leader":
		m.memory, m.deposed = m.deposed, m.memory
		if rapid.Bool().Draw(m.rt, "fresh") {
			m.memory = job.NewMemory(nil)
		}
	case "time":
		m.now = m.now.Add(time.Duration(rapid.IntRange(1, 100).Draw(m.rt, "seconds")) * time.Second)
	case "write":
		m.write(shard())
	case "kill":
		m.kill(some())
	case "pause":
		m.pause(some())
	case "start":
		m.start(some())
	case "judge":
		m.observe(servers)
	case "judge one":
		m.observe([]string{some()})
	case "factor":
		m.apply(agencyclient.Tx{Ops: map[string]any{keys.PlanCollection(db, cid) + "/replicationFactor": rapid.IntRange(1, 3).Draw(m.rt, "factor")}})
	default:
		m.ask(what, some, shard)
	}
}

// ask is what people and coordinators do.
func (m *model) ask(what string, some, shard func() string) {
	switch what {
	case "move":
		m.move(shard(), some(), some(), false)
	case "move leader":
		s := shard()
		m.todo(keys.Job{
			Type: keys.JobMoveShard, Database: db, Collection: cid, Shard: s, IsLeader: true,
			FromServer: strings.TrimPrefix(m.planned(s)[0], keys.Resigned), ToServer: some(), RemainsFollower: rapid.Bool().Draw(m.rt, "remains"),
		})
	case "clean out":
		m.todo(keys.Job{Type: keys.JobCleanOutServer, Server: some()})
	case "resign":
		m.todo(keys.Job{Type: keys.JobResignLeadership, Server: some(), UndoMoves: rapid.Bool().Draw(m.rt, "until a restart")})
	case "abort":
		for _, queue := range []string{keys.TargetToDo, keys.TargetPending} {
			for id := range m.root().At(queue).Children() {
				m.set(queue+"/"+id+"/abort", true)
			}
		}
	case "freeze":
		// Ours is taken only when nothing is pending; a foreign tool takes it anyhow.
		if !m.root().At(keys.HotBackupCreate).Exists() && (m.root().At(keys.TargetPending).Len() == 0 || rapid.Bool().Draw(m.rt, "foreign")) {
			m.freeze("n1")
		}
	case "thaw":
		m.thaw()
		m.must(agencyclient.Tx{Ops: map[string]any{keys.HotBackupWaiting: agencyclient.Delete()}})
	case "wait":
		m.set(keys.HotBackupWaiting+"/n2", keys.Holder{ID: "b2"})
	case "maintenance":
		key := keys.CurrentMaintenance + "/" + some()
		if m.root().At(key).Exists() {
			m.must(agencyclient.Tx{Ops: map[string]any{key: agencyclient.Delete()}})
			return
		}
		m.set(key, keys.ServerMaintenance{Mode: "maintenance"})
	}
}

// observe is the failure detector: a server that is up is GOOD; one that is down is BAD,
// then FAILED, with a job.
func (m *model) observe(servers []string) {
	for _, id := range servers {
		was := m.root().At(keys.ServerHealth(id) + "/Status").Text()
		switch {
		case m.servers[id].up:
			if was != keys.StatusGood {
				m.judge(id, keys.StatusGood)
			}
		case was == keys.StatusGood:
			m.judge(id, keys.StatusBad)
		case was == keys.StatusBad:
			m.judge(id, keys.StatusFailed)
			if !m.root().At(keys.CurrentMaintenance + "/" + id).Exists() {
				m.todo(keys.Job{Type: keys.JobFailedServer, Server: id})
			}
		}
	}
}

// picture is one shard in one tree, read without the code under test.
type picture struct {
	planned []string
	lead    string
	term    int64
	report  keys.CurrentShardReport
}

func pictureOf(root *fsm.Node, shard string) (p picture) {
	_ = root.At(keys.PlanShard(db, cid, shard)).Decode(&p.planned)
	_ = root.At(keys.CurrentShard(db, cid, shard)).Decode(&p.report)
	p.term, _ = root.At(keys.PlanTerm(db, cid, shard)).Int()
	p.lead = strings.TrimPrefix(p.planned[0], keys.Resigned)
	return p
}

// trusted says that a server of the picture has every acknowledged write.
func (p picture) trusted(root *fsm.Node, id string) bool {
	n, _ := root.At(keys.ServerKnown(id) + "/rebootId").Int()
	in := slices.Contains(p.report.Servers, id) || slices.Contains(p.report.Servers, keys.Resigned+id)
	return in && p.report.Reboots[id] == uint64(n)
}

func (p picture) anyTrusted(root *fsm.Node) bool {
	return slices.ContainsFunc(p.planned, func(id string) bool { return p.trusted(root, strings.TrimPrefix(id, keys.Resigned)) })
}

// check demands of every change that it keeps the promises.
func (m *model) check(before, after *fsm.Node, d job.Decision) {
	if before.At(keys.HotBackupCreate).Exists() {
		require.True(m.rt, before.At(keys.Plan) == after.At(keys.Plan), "Plan changed while it was frozen: %+v", d)
	}
	if !fsm.Equal(before.At(keys.Plan), after.At(keys.Plan)) {
		was, _ := before.At(keys.PlanVersion).Int()
		is, _ := after.At(keys.PlanVersion).Int()
		require.Equal(m.rt, was+1, is, "%+v", d)
	}
	for _, shard := range m.shards() {
		m.checkShard(before, after, d, shard)
	}
}

func (m *model) checkShard(before, after *fsm.Node, d job.Decision, shard string) {
	was, is := pictureOf(before, shard), pictureOf(after, shard)
	if fsm.Equal(before.At(keys.PlanShard(db, cid, shard)), after.At(keys.PlanShard(db, cid, shard))) {
		require.Equal(m.rt, was.term, is.term, "%+v", d)
		return
	}
	require.Len(m.rt, slices.Compact(slices.Sorted(slices.Values(is.planned))), len(is.planned), "twice on one server: %+v", d)
	if len(is.planned) < len(was.planned) {
		undone := d.Step == event.JobFailed && strings.HasPrefix(d.Detail, "moveShard")
		moved := d.Step == event.JobFinished && strings.HasPrefix(d.Detail, "moveShard")
		require.True(m.rt, d.Step == event.FollowerRemoved || undone || moved, "a replica went: %+v", d)
		require.Equal(m.rt, len(was.planned)-1, len(is.planned))
	}
	if was.anyTrusted(before) {
		require.True(m.rt, is.anyTrusted(after), "no trusted server is left: %+v", d)
	}
	if was.lead == is.lead {
		require.Equal(m.rt, was.term, is.term, "%+v", d)
		return
	}
	require.Equal(m.rt, was.term+1, is.term, "another leader without another term: %+v", d)
	m.checkLeader(before, was, is, d, shard)
}

// checkLeader demands that the last leader cannot be serving, and that the new one
// is the best there is. A leader that has not reported since Plan named it, or since it
// restarted, does not serve.
func (m *model) checkLeader(before *fsm.Node, was, is picture, d job.Decision, shard string) {
	stopped := len(was.report.Servers) > 0 && was.report.Servers[0] == keys.Resigned+was.lead && int64(was.report.Term) == was.term
	reboots, _ := before.At(keys.ServerKnown(was.lead) + "/rebootId").Int()
	silent := int64(was.report.Term) < was.term || was.report.Reboots[was.lead] != uint64(reboots)
	require.True(m.rt, stopped || silent || !m.servers[was.lead].up, "%s may be serving: %+v", was.lead, d)
	require.Contains(m.rt, was.planned, is.lead)
	if len(was.report.Servers) == 0 || was.trusted(before, is.lead) {
		return
	}
	for _, id := range was.planned[1:] {
		good := before.At(keys.ServerHealth(id)+"/Status").Text() == keys.StatusGood
		require.False(m.rt, good && was.trusted(before, id), "%s leads, though %s was trusted: %+v", is.lead, id, d)
	}
	require.Contains(m.rt, was.report.Servers, is.lead, "out of sync and leads: %+v", d)
	m.lossy[shard] = true
}

// checkData demands that a leader that serves has every acknowledged write, unless no
// trusted server was left.
func (m *model) checkData() {
	for _, shard := range m.shards() {
		p := pictureOf(m.root(), shard)
		if len(p.report.Servers) == 0 || p.report.Servers[0] != p.planned[0] || int64(p.report.Term) != p.term || !m.servers[p.lead].up {
			continue
		}
		if !p.trusted(m.root(), p.lead) || m.lossy[shard] || m.restartedAll(shard) {
			continue
		}
		require.GreaterOrEqual(m.rt, m.servers[p.lead].has[shard], m.acked[shard], "%s has lost writes of %s\n%s",
			p.lead, shard, m.story())
	}
}

// restartedAll notes that a leader recovered from servers that had all restarted, as it
// may.
func (m *model) restartedAll(shard string) bool { return m.unsure[shard] }

// leaveAlone lets everything come back, and demands that everything ends.
func (m *model) leaveAlone() {
	m.thaw()
	m.must(agencyclient.Tx{Ops: map[string]any{keys.HotBackupWaiting: agencyclient.Delete(), keys.CurrentMaintenance: agencyclient.Delete()}})
	for _, id := range m.ids() {
		m.start(id)
	}
	m.observe(m.ids())
	for range 3 { // what has nowhere to go is given up, one wait after the other
		m.run(30)
		m.now = m.now.Add(3 * time.Hour)
	}
	m.run(30)
	m.requireQuiet()
	require.Zero(m.rt, m.root().At(keys.ReturnLeadership).Len())
	leaving := m.root().At(keys.CleanedServers).Len()
	factor, _ := m.root().At(keys.PlanCollection(db, cid) + "/replicationFactor").Int()
	require.Equal(m.rt, "[]", m.root().At(keys.ToBeCleaned).String())
	for _, shard := range m.shards() {
		least := min(int(factor), max(len(m.servers)-leaving, 1))
		r, planned := m.report(shard), m.planned(shard)
		require.GreaterOrEqual(m.rt, len(planned), least, "%s\n%s", shard, m.story())
		require.LessOrEqual(m.rt, len(planned), int(factor))
		require.ElementsMatch(m.rt, planned, r.Servers, "%s\n%s", shard, m.story())
		require.EqualValues(m.rt, m.term(shard), r.Term)
	}
	m.checkData()
}
