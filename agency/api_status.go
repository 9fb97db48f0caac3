package agency

import (
	"fmt"
	"maps"
	"net/http"
	"os"
	"slices"
	"time"

	"stasis/agency/answer"
	"stasis/agency/quota"
	"stasis/fsm"
	"stasis/internal/apierror"
	"stasis/internal/network"
	"stasis/internal/version"
)

// ok is the success envelope of the endpoints outside the agency's own.
func ok(more map[string]any) map[string]any {
	body := map[string]any{"error": false, "code": http.StatusOK}
	maps.Copy(body, more)
	return body
}

// acked is how a follower keeps up, as its leader sees it.
type acked struct {
	Time   float64 `json:"lastAckedTime"` // seconds ago
	Index  uint64  `json:"lastAckedIndex"`
	Append float64 `json:"lastAppend"` // seconds
}

func (s *api) configOf(w http.ResponseWriter, r *http.Request) error {
	if r.Method == http.MethodGet {
		return s.config(w, r)
	}
	return s.configure(w, r)
}

// config describes the agency as this agent knows it, leader or not.
func (s *api) config(w http.ResponseWriter, _ *http.Request) error {
	a := s.agent
	state := a.machine.state()
	leader, _ := a.leader()
	body := map[string]any{
		"term":                a.raft.CurrentTerm(),
		"leaderId":            leader,
		"commitIndex":         state.Index(),
		"lastCompactionAt":    state.FirstIndex() - 1,
		"nextCompactionAfter": state.Index() + a.raft.ReloadableConfig().SnapshotThreshold,
		"configuration":       a.configuration(),
		"logIndex":            a.raft.LastIndex(), // ours: how a new agent knows that the agency begins
		"engine":              "rocksdb",
		"version":             version.API,
	}
	status := a.standing.String()
	if h := a.fence.Hang(); h != nil {
		body["diskHangs"] = h.Health() // ours
		status = h.Status()
	}
	if o := a.current.Load(); o != nil {
		body["lastAcked"] = a.lastAcked(o, state)
	}
	body["origin"] = a.origins.origin()                  // ours
	body["tree"] = a.machine.quota.State(state.Weight()) // ours
	if status != "" {
		body["status"] = status // ours: why it does not serve, and what to do
	}
	answer.Write(w, http.StatusOK, body)
	return nil
}

// configuration is in the words of the reference; clients read the compaction
// sizes and the pool.
func (a *Agent) configuration() map[string]any {
	pool := map[string]string{}
	active := []string{}
	for _, m := range a.members().Servers {
		pool[string(m.ID)] = "tcp://" + a.book.Of(string(m.ID), string(m.Address))
		active = append(active, string(m.ID))
	}
	slices.Sort(active)
	return map[string]any{
		"pool":                     pool,
		"active":                   active,
		"id":                       a.id,
		"agency size":              len(pool),
		"pool size":                len(pool),
		"endpoint":                 "tcp://" + a.advertise,
		"min ping":                 a.timing.Heartbeat.Seconds(),
		"max ping":                 (2 * a.timing.Election).Seconds(),
		"timeoutMult":              1,
		"supervision":              true,
		"supervision frequency":    a.timing.Supervision.Seconds(),
		"supervision grace period": a.timing.Grace.Seconds(),
		"supervision ok threshold": a.timing.OkThreshold.Seconds(),
		"compaction step size":     a.raft.ReloadableConfig().SnapshotThreshold,
		"compaction keep size":     a.machine.tree.Kept(),
		"wait for sync":            true,
		"version":                  1,
		"startup":                  "origin",
	}
}

// lastAcked is when each agent last accepted this leader; only a leader knows.
func (a *Agent) lastAcked(o *office, state *fsm.State) map[string]acked {
	all := map[string]acked{a.id: {Index: state.Index()}}
	for _, m := range a.members().Servers {
		if last, ok := a.acks.last(m.ID, o.term); ok {
			all[string(m.ID)] = acked{Time: time.Since(last.at).Seconds(), Index: last.index, Append: last.took.Seconds()}
		}
	}
	return all
}

// state shows this agent's own tree and log; it need not be the newest unless
// the leader is asked for.
func (s *api) state(w http.ResponseWriter, r *http.Request) error {
	if r.URL.Query().Get("redirectToLeader") == "true" {
		if _, err := s.agent.office(r.Context()); err != nil {
			return err
		}
	}
	state := s.agent.machine.state()
	entries, _ := state.Log(state.FirstIndex())
	root := now(state).Root()
	return s.agent.queues.Of(r).Serve(r, w, root.Weight()+sizeOf(entries), func(flush func([]byte) []byte) []byte {
		return appendStateLog(root.StreamJSON([]byte(`{"agency":`), flush), state, entries, flush)
	})
}

// appendStateLog writes what follows the tree. Each entry of the log has the key that the
// reference gives it.
func appendStateLog(to []byte, state *fsm.State, entries []fsm.Entry, flush func([]byte) []byte) []byte {
	current := uint64(0) // nothing was compacted
	if first := state.FirstIndex(); first > 1 {
		current = first
	}
	to = fmt.Appendf(to, `,"compaction":{},"current":%d,"index":%d,"log":[`, current, state.Index())
	for i, e := range entries {
		if i > 0 {
			to = append(to, ',')
		}
		to = fmt.Appendf(to, `{"_key":"%020d",`, e.Index)
		begin := len(to)
		to = e.AppendJSON(to)
		to = append(to[:begin], to[begin+1:]...) // its own brace
		to = answer.Flushed(to, flush)
	}
	return fmt.Appendf(to, `],"term":%d}`, state.Term())
}

// stores shows this agent's own trees.
func (s *api) stores(w http.ResponseWriter, r *http.Request) error {
	root := now(s.agent.machine.state()).Root()
	var transient *fsm.Node
	size := 2 * root.Weight()
	if o := s.agent.current.Load(); o != nil {
		transient = o.transient.state().Root()
		size = quota.Plus(size, transient.Weight())
	}
	return s.agent.queues.Of(r).Serve(r, w, size, func(flush func([]byte) []byte) []byte {
		to := root.StreamJSON([]byte(`{"read_db":[`), flush)
		to = root.StreamJSON(append(to, `],"spearhead":[`...), flush)
		to = append(to, `],"transient":[`...)
		if transient == nil {
			return append(to, `{}]}`...)
		}
		return append(transient.StreamJSON(to, flush), `]}`...)
	})
}

// version says which API is spoken.
func (s *api) version(w http.ResponseWriter, r *http.Request) error {
	body := map[string]any{"server": "arango", "license": "enterprise", "version": version.API}
	if r.URL.Query().Get("details") == "true" {
		body["details"] = map[string]string{
			"mode": "server", "role": "AGENT", "v8-version": "none", "stasis-version": version.Stasis,
		}
	}
	answer.Write(w, http.StatusOK, body)
	return nil
}

func (s *api) role(w http.ResponseWriter, _ *http.Request) error {
	answer.Write(w, http.StatusOK, ok(map[string]any{"errorNum": 0, "role": "AGENT", "mode": "default"}))
	return nil
}

func (s *api) id(w http.ResponseWriter, _ *http.Request) error {
	answer.Write(w, http.StatusOK, ok(map[string]any{"id": s.agent.id}))
	return nil
}

// availability is 200 while the agent runs and its disk does, with a leader or without.
func (s *api) availability(w http.ResponseWriter, _ *http.Request) error {
	if err := s.agent.fence.Err(); err != nil {
		return apierror.New(apierror.ServiceUnavailable, "%w", err)
	}
	if s.agent.running.Err() != nil {
		return apierror.New(apierror.ShuttingDown, "agent is stopping")
	}
	answer.Write(w, http.StatusOK, ok(map[string]any{"mode": "default"}))
	return nil
}

// metrics are this agent's numbers for Prometheus.
func (s *api) metrics(w http.ResponseWriter, _ *http.Request) error {
	tree, alarm := s.agent.machine.quota.State(s.agent.machine.state().Weight()), 0
	if tree.Alarm != "" {
		alarm = 1
	}
	s.limits.ServeMetrics(w,
		network.Metric{Name: "stasis_agency_tree_bytes", Kind: "gauge", Help: "Bytes that the tree takes, about.", Value: tree.Bytes},
		network.Metric{Name: "stasis_agency_tree_quota_bytes", Kind: "gauge", Help: "Bytes that clients may fill the tree up to.", Value: tree.Quota},
		network.Metric{Name: "stasis_agency_tree_alarm", Kind: "gauge", Help: "1 if the tree is nearly full.", Value: alarm},
		network.Metric{Name: "stasis_agency_tree_refused_total", Kind: "counter", Help: "Transactions refused because of the quota of the tree.", Value: tree.Refused},
	)
	return nil
}

func (s *api) status(w http.ResponseWriter, _ *http.Request) error {
	host, err := os.Hostname()
	if err != nil {
		return fmt.Errorf("host name: %w", err)
	}
	body := map[string]any{
		"server": "arango", "version": version.API, "pid": os.Getpid(), "license": "enterprise",
		"mode": "server", "operationMode": "server", "host": host,
		"serverInfo": map[string]any{
			"maintenance": false, "role": "AGENT", "serverId": s.agent.id, "address": "tcp://" + s.agent.advertise,
			"state": "SERVING", "readOnly": false, "writeOpsEnabled": true, "rebootId": 0,
		},
	}
	body["http"] = s.limits.Status() // ours
	if h := s.agent.fence.Hang(); h != nil {
		body["diskHangs"] = h.Health() // ours
	}
	answer.Write(w, http.StatusOK, body)
	return nil
}
