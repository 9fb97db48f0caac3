package api

import (
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"slices"
	"time"

	"stasis/agency/answer"
	"stasis/agency/fence"
	"stasis/agency/leadership"
	"stasis/agency/member"
	"stasis/agency/origin"
	"stasis/agency/quota"
	"stasis/fsm"
	"stasis/internal/apierror"
	"stasis/internal/version"
)

// settings describes the agency as this agent knows it, leader or not, and changes some values.
type settings struct {
	self      Self
	intervals Intervals
	raft      Raft
	tree      Tree
	quota     *quota.Quota
	settings  Settings
	fence     *fence.Fence
	origins   *origin.Origins
	status    *origin.Status
	leader    Leader
	members   *member.Members
	leads     func() (id, address string)
	bodies    bodies
}

func newSettings(o Options, b bodies) *settings {
	return &settings{
		self: o.Self, intervals: o.Intervals, raft: o.Raft, tree: o.Tree, quota: o.Quota, settings: o.Settings,
		fence: o.Fence, origins: o.Origins, status: o.Status, leader: o.Leader, members: o.Members, leads: o.Leads, bodies: b,
	}
}

func (s *settings) serve(w http.ResponseWriter, r *http.Request) error {
	if r.Method != http.MethodGet {
		if err := s.change(r); err != nil {
			return err
		}
	}
	return s.show(w)
}

// change is what PUT and POST of config may change while the agent runs. Other attributes are
// ignored.
type change struct {
	Step *uint64 `json:"compaction step size"`
	Keep *int    `json:"compaction keep size"`
	// ID and Endpoint tell where a member is to be found.
	ID       string `json:"id"`
	Endpoint string `json:"endpoint"`
}

// change changes some values, or the endpoint of one agent.
func (s *settings) change(r *http.Request) error {
	raw, err := s.bodies.read(r)
	if err != nil {
		return err
	}
	wrong := func(err error) error { return apierror.New(apierror.Internal, "configuration: %w", err) }
	var c change
	if err := json.Unmarshal(raw, &c); err != nil {
		return wrong(err)
	}
	if err := s.tune(c); err != nil {
		return wrong(err)
	}
	if c.Endpoint == "" {
		return nil
	}
	address, err := endpointAddress(c.Endpoint)
	if err != nil {
		return wrong(err)
	}
	_, err = s.members.Admit(r.Context(), member.Candidate{ID: c.ID, Address: address})
	if errors.Is(err, member.ErrRefused) {
		return wrong(err)
	}
	return err
}

func (s *settings) tune(c change) error {
	if c.Step != nil && *c.Step < 1 || c.Keep != nil && *c.Keep < 1 {
		return errors.New("compaction sizes are positive")
	}
	if c.Keep != nil {
		s.settings.Keep(*c.Keep)
	}
	if c.Step == nil {
		return nil
	}
	return s.settings.SnapshotAfter(*c.Step)
}

// compact takes a snapshot now and shortens Raft's log, on this agent.
func (s *settings) compact(w http.ResponseWriter, r *http.Request) error {
	if err := s.settings.Compact(r.Context()); err != nil {
		return err
	}
	return s.show(w)
}

// show answers with all that config tells.
func (s *settings) show(w http.ResponseWriter) error {
	state := s.tree.State()
	leader, _ := s.leads()
	body := map[string]any{
		"term":                s.raft.CurrentTerm(),
		"leaderId":            leader,
		"commitIndex":         state.Index(),
		"lastCompactionAt":    state.FirstIndex() - 1,
		"nextCompactionAfter": state.Index() + s.settings.Threshold(),
		"configuration":       s.configuration(),
		"logIndex":            s.raft.LastIndex(), // ours: how a new agent knows that the agency begins
		"engine":              "rocksdb",
		"version":             version.API,
	}
	status := s.status.String()
	if h := s.fence.Hang(); h != nil {
		body["diskHangs"] = h.Health() // ours
		status = h.Status()
	}
	if l := s.leader.Current(); l != nil {
		body["lastAcked"] = s.lastAcked(l, state)
	}
	body["origin"] = s.origins.Origin()          // ours
	body["tree"] = s.quota.State(state.Weight()) // ours
	for name, value := range map[string]string{"name": s.self.Process.Name, "dir": s.self.Process.Dir} {
		if value != "" {
			body[name] = value // ours
		}
	}
	if pid := s.self.Process.PID; pid != 0 {
		body["pid"] = pid // ours
	}
	if status != "" {
		body["status"] = status // ours: why it does not serve, and what to do
	}
	answer.Write(w, http.StatusOK, body)
	return nil
}

// configuration is in the words of ArangoDB; clients read the compaction sizes and the pool.
func (s *settings) configuration() map[string]any {
	pool := s.members.Pool()
	active := slices.AppendSeq([]string{}, maps.Keys(pool))
	slices.Sort(active)
	threshold := s.settings.Threshold()
	return map[string]any{
		"pool":                     pool,
		"active":                   active,
		"id":                       s.self.ID,
		"agency size":              len(pool),
		"pool size":                len(pool),
		"endpoint":                 "tcp://" + s.self.Advertise,
		"min ping":                 s.intervals.Heartbeat.Seconds(),
		"max ping":                 (2 * s.intervals.Election).Seconds(),
		"timeoutMult":              1,
		"supervision":              true,
		"supervision frequency":    s.intervals.Supervision.Seconds(),
		"supervision grace period": s.intervals.Grace.Seconds(),
		"supervision ok threshold": s.intervals.OkThreshold.Seconds(),
		"compaction step size":     threshold,
		"compaction keep size":     s.settings.Kept(),
		"wait for sync":            true,
		"version":                  1,
		"startup":                  "origin",
	}
}

// acked is how a follower keeps up, as its leader sees it.
type acked struct {
	Time   float64 `json:"lastAckedTime"` // seconds ago
	Index  uint64  `json:"lastAckedIndex"`
	Append float64 `json:"lastAppend"` // seconds
}

// lastAcked is when each agent last accepted this leader; only a leader knows.
func (s *settings) lastAcked(l *leadership.Leadership, state *fsm.State) map[string]acked {
	all := map[string]acked{s.self.ID: {Index: state.Index()}}
	for id, last := range s.members.Acked(l) {
		all[id] = acked{Time: time.Since(last.At).Seconds(), Index: last.Index, Append: last.Took.Seconds()}
	}
	return all
}
