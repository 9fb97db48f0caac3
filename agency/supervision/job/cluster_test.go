package job_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/stretchr/testify/require"

	agencyclient "stasis/agency/client"
	"stasis/agency/keys"
	"stasis/agency/supervision/job"
	"stasis/fsm"
)

const (
	db  = "db"
	cid = "100"
)

// cluster is an agency's tree with DB servers that report as the real ones do,
// without an agency, a network or data: what a server has of a shard is a number.
type cluster struct {
	t        require.TestingT
	machine  *fsm.Machine
	now      time.Time
	servers  map[string]*server
	timeouts job.Timeouts
	memory   *job.Memory
	events   []string
	changed  func(before, after *fsm.Node, d job.Decision) // after each applied decision
	acked    map[string]int                                // shard → the last acknowledged write
	unsure   map[string]bool                               // shard → a leader recovered without a trusted server
}

// server is one DB server.
type server struct {
	up     bool
	paused bool           // down, but it keeps what it has and its reboot id
	has    map[string]int // shard → the last write it has
}

// newCluster makes servers PRMR-1… that are all GOOD, and a collection without shards.
func newCluster(t require.TestingT, servers int) *cluster {
	c := &cluster{
		t: t, machine: fsm.New(100), now: time.Now(), servers: map[string]*server{}, memory: job.NewMemory(nil),
		acked: map[string]int{}, unsure: map[string]bool{},
	}
	none := map[string]any{}
	ops := map[string]any{
		keys.InitDone: true, keys.PlanVersion: 1, keys.CurrentVersion: 1, keys.LatestID: 1000, keys.RestoreEpoch: 0,
		keys.SupervisionMode: keys.ModeNormal, keys.SupervisionGrace: 10,
		keys.TargetToDo: none, keys.TargetPending: none, keys.TargetFinished: none, keys.TargetFailed: none,
		keys.CleanedServers: []string{}, keys.ToBeCleaned: []string{},
		keys.PlanCollection(db, cid): keys.Collection{ID: cid, Name: "books", ReplicationFactor: 1},
	}
	c.must(agencyclient.Tx{Ops: ops})
	for i := range servers {
		id := name(i + 1)
		c.servers[id] = &server{up: true, has: map[string]int{}}
		c.must(agencyclient.Tx{Ops: map[string]any{
			keys.PlanDBServers + "/" + id: "none",
			keys.ServerKnown(id):          keys.Known{RebootID: 1},
			keys.ServerHealth(id):         keys.HealthEntry{Status: keys.StatusGood},
		}})
	}
	return c
}

func name(i int) string { return fmt.Sprintf("PRMR-%d", i) }

func (c *cluster) root() *fsm.Node { return c.machine.State().AsOf(c.now.UnixMilli()).Root() }

// apply applies a transaction as any client of the agency, and says whether its preconditions held.
func (c *cluster) apply(tx agencyclient.Tx) bool {
	raw, err := tx.Encode("")
	require.NoError(c.t, err)
	parsed, err := fsm.ParseTransaction(raw)
	require.NoError(c.t, err)
	o := c.machine.Apply(1, fsm.Command{Time: c.now.UnixMilli(), Transactions: []fsm.Transaction{parsed}})[0]
	if o.Index == 0 {
		require.NotEmpty(c.t, o.Failed, "%v: %s", o.Reason, raw)
	}
	return o.Index != 0
}

func (c *cluster) must(tx agencyclient.Tx) {
	raw, _ := json.Marshal(tx)
	require.True(c.t, c.apply(tx), "%s", raw)
}

func (c *cluster) set(path string, value any) {
	c.must(agencyclient.Tx{Ops: map[string]any{path: agencyclient.Set(value)}})
}

// shard plans a shard on servers, leader first.
func (c *cluster) shard(shard string, factor int, servers ...string) {
	c.must(agencyclient.Tx{Ops: map[string]any{
		keys.PlanShard(db, cid, shard):                      servers,
		keys.PlanTerm(db, cid, shard):                       1,
		keys.PlanCollection(db, cid) + "/replicationFactor": factor,
		keys.PlanVersion:                                    agencyclient.Increment(1),
	}})
}

func (c *cluster) planned(shard string) []string {
	var servers []string
	require.NoError(c.t, c.root().At(keys.PlanShard(db, cid, shard)).Decode(&servers))
	return servers
}

func (c *cluster) term(shard string) int64 {
	n, _ := c.root().At(keys.PlanTerm(db, cid, shard)).Int()
	return n
}

func (c *cluster) report(shard string) (r keys.CurrentShardReport) {
	_ = c.root().At(keys.CurrentShard(db, cid, shard)).Decode(&r)
	return r
}

func (c *cluster) shards() []string {
	var all []string
	for shard := range c.root().At(keys.PlanCollection(db, cid) + "/shards").Children() {
		all = append(all, shard)
	}
	return all
}

// work is what an agency leader's supervision does in a pass, and says how many
// decisions were applied.
func (c *cluster) work() int {
	total := 0
	for range 50 {
		n := c.decide(c.memory, c.root())
		total += n
		if n == 0 {
			return total
		}
	}
	return total
}

// decide tries what is decided on a root, which may be old.
func (c *cluster) decide(m *job.Memory, root *fsm.Node) int {
	applied := 0
	for _, d := range job.Next(root, m, c.now, c.timeouts) {
		before := c.root()
		if !c.apply(d.Tx) {
			continue
		}
		applied++
		if d.Step != "" {
			c.events = append(c.events, fmt.Sprintf("%s %s %s: %s", d.Step, d.Job, d.Server, d.Detail))
		}
		if c.changed != nil {
			c.changed(before, c.root(), d)
		}
	}
	return applied
}

// run lets time pass, second by second: the servers report, the supervision works.
func (c *cluster) run(seconds int) {
	for range seconds {
		c.now = c.now.Add(time.Second)
		c.serve()
		c.work()
	}
}

// serve lets every server that is up do its next step for every shard.
func (c *cluster) serve() {
	for _, shard := range c.shards() {
		for _, id := range c.ids() {
			if c.servers[id].up {
				c.serveShard(id, shard)
			}
		}
	}
}

func (c *cluster) ids() []string {
	var ids []string
	for id := range c.servers {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return ids
}

func (c *cluster) reboot(id string) uint64 {
	n, _ := c.root().At(keys.ServerKnown(id) + "/rebootId").Int()
	return uint64(n)
}

func (c *cluster) failed(id string) bool {
	return c.root().At(keys.ServerHealth(id)+"/Status").Text() == keys.StatusFailed
}

// serveShard is one step of a server that may lead a shard, as replicas are to
// behave: recover at the start of a leadership, then keep the in-sync set true.
func (c *cluster) serveShard(id, shard string) {
	planned := c.planned(shard)
	lead, resigned := strings.CutPrefix(planned[0], keys.Resigned)
	if !slices.Contains(planned, id) && lead != id {
		delete(c.servers[id].has, shard) // no longer planned here: dropped
	}
	if lead != id {
		return
	}
	r, term := c.report(shard), uint64(c.term(shard))
	own := r.Term == term && len(r.Servers) > 0 && r.Reboots[id] == c.reboot(id)
	switch {
	case resigned && own && r.Servers[0] == id:
		r.Servers[0] = keys.Resigned + id
		c.tell(shard, r)
	case resigned:
	case !own || r.Servers[0] != id:
		if has, ok := c.recover(id, shard, planned, r); ok {
			c.servers[id].has[shard] = has
			c.tell(shard, keys.CurrentShardReport{Servers: []string{id}, Term: term, Reboots: map[string]uint64{id: c.reboot(id)}})
		}
	default:
		c.keepInSync(id, shard, planned, r)
	}
}

// recover asks the members of the in-sync set for what they have.
func (c *cluster) recover(id, shard string, planned []string, r keys.CurrentShardReport) (has int, ok bool) {
	members := planned
	if len(r.Servers) > 0 {
		members = r.Servers
	}
	sure, all := false, true
	has = c.servers[id].has[shard]
	for _, m := range members {
		m = strings.TrimPrefix(m, keys.Resigned)
		if !slices.Contains(planned, m) {
			continue // it has dropped what it had
		}
		s := c.servers[m]
		answers := s != nil && s.up
		if answers {
			has = max(has, s.has[shard])
		}
		sure = sure || answers && r.Reboots[m] == c.reboot(m)
		all = all && (answers || c.failed(m))
	}
	if all && !sure && len(r.Servers) > 0 {
		c.unsure[shard] = true
	}
	return has, sure || all
}

// keepInSync takes members out that are down or not planned, then adds who is
// planned and up.
func (c *cluster) keepInSync(id, shard string, planned []string, r keys.CurrentShardReport) {
	servers, reboots := []string{id}, map[string]uint64{id: c.reboot(id)}
	for _, m := range planned[1:] {
		if s := c.servers[m]; s != nil && s.up {
			s.has[shard] = c.servers[id].has[shard]
			servers, reboots[m] = append(servers, m), c.reboot(m)
		}
	}
	if !slices.Equal(servers, r.Servers) || !equal(reboots, r.Reboots) {
		r.Servers, r.Reboots = servers, reboots
		c.tell(shard, r)
	}
}

func equal(a, b map[string]uint64) bool {
	for k, v := range a {
		if b[k] != v {
			return false
		}
	}
	return len(a) == len(b)
}

// tell writes a report, if Plan and the report are as they were read.
func (c *cluster) tell(shard string, r keys.CurrentShardReport) {
	key := keys.CurrentShard(db, cid, shard)
	c.apply(agencyclient.Tx{
		Ops: map[string]any{key: r, keys.CurrentVersion: agencyclient.Increment(1)},
		Pre: map[string]any{
			key:                            agencyclient.Exactly(c.root().At(key)),
			keys.PlanShard(db, cid, shard): agencyclient.Exactly(c.root().At(keys.PlanShard(db, cid, shard))),
			keys.PlanTerm(db, cid, shard):  agencyclient.Exactly(c.root().At(keys.PlanTerm(db, cid, shard))),
		},
	})
}

// write is a client's write, acknowledged only if all in sync have it.
func (c *cluster) write(shard string) {
	r, planned := c.report(shard), c.planned(shard)
	if len(r.Servers) == 0 || r.Servers[0] != planned[0] || int64(r.Term) != c.term(shard) {
		return
	}
	for _, m := range r.Servers {
		if s := c.servers[m]; s == nil || !s.up || r.Reboots[m] != c.reboot(m) {
			return
		}
	}
	next := c.servers[r.Servers[0]].has[shard] + 1
	for _, m := range r.Servers {
		c.servers[m].has[shard] = next
	}
	c.acked[shard] = next
}

// kill stops a server; when it starts again it has lost the end of its log.
func (c *cluster) kill(id string) {
	s := c.servers[id]
	s.up, s.paused = false, false
	for shard, has := range s.has {
		s.has[shard] = max(0, has-1)
	}
}

// start starts a server again, or wakes one that was paused, which takes a lease.
func (c *cluster) start(id string) {
	s := c.servers[id]
	switch {
	case s.up:
		return
	case s.paused:
		c.must(agencyclient.Tx{Ops: map[string]any{keys.ServerKnown(id) + "/leases": agencyclient.Increment(1)}})
	default:
		c.must(agencyclient.Tx{Ops: map[string]any{keys.ServerKnown(id) + "/rebootId": agencyclient.Increment(1)}})
	}
	s.up, s.paused = true, false
}

func (c *cluster) pause(id string) {
	if s := c.servers[id]; s.up {
		s.up, s.paused = false, true
	}
}

// judge records a server's status as the failure detector does.
func (c *cluster) judge(id, status string) {
	entry := map[string]any{"Status": status}
	if status == keys.StatusFailed {
		entry["Known"] = c.root().At(keys.ServerKnown(id))
	}
	c.set(keys.ServerHealth(id), entry)
}

// todo asks for a job, as a coordinator does.
func (c *cluster) todo(j keys.Job) string {
	latest, _ := c.root().At(keys.LatestID).Int()
	j.JobID, j.Creator, j.TimeCreated = fmt.Sprint(latest+1), "CRDN-1", c.now.UTC().Format(time.RFC3339)
	c.must(agencyclient.Tx{Ops: map[string]any{keys.LatestID: latest + 1, keys.TargetToDo + "/" + j.JobID: j}})
	return j.JobID
}

// fails is what the failure detector does when a DB server fails.
func (c *cluster) fails(id string) string {
	c.judge(id, keys.StatusFailed)
	return c.todo(keys.Job{Type: keys.JobFailedServer, Server: id})
}

func (c *cluster) move(shard, from, to string, leader bool) string {
	return c.todo(keys.Job{
		Type: keys.JobMoveShard, Database: db, Collection: cid, Shard: shard, FromServer: from, ToServer: to, IsLeader: leader,
	})
}

// where says in which queue a job is, and its record.
func (c *cluster) where(id string) (string, keys.Job) {
	for _, queue := range []string{keys.TargetToDo, keys.TargetPending, keys.TargetFinished, keys.TargetFailed} {
		var j keys.Job
		if c.root().At(queue+"/"+id).Decode(&j) == nil {
			return strings.TrimPrefix(queue, keys.Target+"/"), j
		}
	}
	return "", keys.Job{}
}

// requireIn demands that a job is in a queue, and returns its record.
func (c *cluster) requireIn(queue, id string) keys.Job {
	is, j := c.where(id)
	require.Equal(c.t, queue, is, "job %s: %+v\n%s", id, j, c.story())
	return j
}

// requireQuiet demands that nothing is left to do and no lock is held.
func (c *cluster) requireQuiet() {
	for _, list := range []string{keys.TargetToDo, keys.TargetPending, keys.ShardLocks, keys.ServerLocks} {
		require.Zero(c.t, c.root().At(list).Len(), "%s: %v\n%s", list, c.root().At(list), c.story())
	}
}

func (c *cluster) freeze(nonce string) {
	c.must(agencyclient.Tx{Ops: map[string]any{
		keys.HotBackupCreate: "2026-01-02T03:04:05Z",
		keys.HotBackupHolder: keys.Holder{ID: "b1", Coordinator: "CRDN-1", Nonce: nonce, LeaseSeconds: 7.5},
	}})
}

func (c *cluster) thaw() {
	c.must(agencyclient.Tx{Ops: map[string]any{keys.HotBackupCreate: agencyclient.Delete(), keys.HotBackupHolder: agencyclient.Delete()}})
}

// story is the last events, for a test that fails.
func (c *cluster) story() string {
	return strings.Join(c.events[max(0, len(c.events)-60):], "\n")
}
