package check

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stasis/client"
	"stasis/client/certificate"
	dbclient "stasis/dbserver/client"
	"stasis/dbserver/engine"
	"stasis/event"
	"stasis/internal/bubbles"
	"stasis/lab/history"
	"stasis/lab/reader"
	"stasis/lab/verdict"
	"stasis/lab/workload"
	"stasis/lab/world"
)

// scene is a cluster in a bubble, with two workloads, its history, and the log of its agency.
type scene struct {
	*testing.T
	world   world.World
	history *history.History
	loads   []workload.Workload
	plans   *Plans

	mu     sync.Mutex
	events []event.Event
}

func inScene(t *testing.T, test func(*scene)) {
	t.Helper()
	bubbles.Test(t, func(t *testing.T) {
		w, err := world.Start(t.Context(), world.Bubble, world.Config{
			Agents: 3, DBServers: 3, Coordinators: 2, LatencyLeast: 100 * time.Microsecond, LatencyMost: time.Millisecond, Seed: 1,
		})
		require.NoError(t, err)
		defer func() { require.NoError(t, w.Close(context.Background())) }()
		s := &scene{T: t, world: w, history: history.New()}
		var urls []string
		agents, _, _ := w.Cluster().Nodes()
		for _, a := range agents {
			urls = append(urls, a.URL)
		}
		s.plans = FollowPlan(w.HTTP(), urls)
		defer s.plans.Stop()
		defer w.Watch(func(e event.Event) {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.events = append(s.events, e)
		})()
		for _, spec := range []workload.Spec{{Name: "bank", Clients: 8, Replication: 1, Pace: time.Millisecond}, {Name: "chain", Clients: 1, Pace: 5 * time.Millisecond}} {
			load, err := workload.New(spec, s.history)
			require.NoError(t, err)
			require.NoError(t, load.Setup(t.Context(), w.Clients()))
			s.loads = append(s.loads, load)
		}
		test(s)
	})
}

// run lets the clients work while something is done.
func (s *scene) run(during func()) {
	ctx, stop := context.WithCancel(s.Context())
	var running sync.WaitGroup
	for _, l := range s.loads {
		running.Go(func() {
			if err := l.Run(ctx, s.world.Clients(), 10*time.Second); err != nil {
				s.Error(err)
			}
		})
	}
	defer running.Wait()
	defer stop()
	during()
}

// take takes a backup in the middle of the load.
func (s *scene) take(label string) Subject {
	time.Sleep(300 * time.Millisecond)
	sub := Subject{Loads: s.loads, History: s.history, Plans: s.plans}
	var err error
	sub.Cut.Asked = s.history.Now()
	sub.Created, err = s.world.Clients()[0].Backups().Create(s.Context(), client.CreateRequest{Label: label})
	require.NoError(s, err)
	sub.Cut.Returned = s.history.Now()
	time.Sleep(100 * time.Millisecond)
	return sub
}

func (s *scene) pieces(sub Subject) []reader.Piece {
	all, err := s.world.Pieces(sub.Created.ID)
	require.NoError(s, err)
	require.Len(s, all, 3)
	return all
}

// judge judges a backup.
func (s *scene) judge(sub Subject, pieces []reader.Piece) (verdict.Backup, []verdict.Violation) {
	if sub.Events == nil {
		s.mu.Lock()
		sub.Events = slices.Clone(s.events)
		s.mu.Unlock()
	}
	r, found, err := Open(s.Context(), sub.Created.ID, pieces)
	require.NoError(s, err)
	if r == nil {
		return verdict.Backup{}, found
	}
	defer func() { require.NoError(s, r.Close()) }()
	b, found, err := Backup(s.Context(), r, sub)
	require.NoError(s, err)
	return b, found
}

// inserted is a key that the chain wrote long before the backup, and was not its client's last.
func (s *scene) inserted(sub Subject) string {
	for _, o := range s.history.Ops() {
		if o.Workload == "chain" && o.Kind == "insert" && o.Outcome == history.OK && o.End < sub.Cut.Asked.At-100*time.Millisecond {
			return o.Key
		}
	}
	s.Fatal("the chain has inserted nothing")
	return ""
}

// later is an account that was written after the backup.
func (s *scene) later(sub Subject) string {
	for _, o := range s.history.Ops() {
		if o.Workload == "bank" && o.Write() && o.Outcome == history.OK && o.BeginOrder > sub.Cut.Returned.Order {
			return o.Key
		}
	}
	s.Fatal("the bank has written nothing after the backup")
	return ""
}

// forgery is a backup that is wrong, and what has to be found.
type forgery struct {
	name  string
	forge func(t *testing.T, sub *Subject, pieces []reader.Piece) []reader.Piece
	check string
	text  string
}

// Each check finds what it is for: a backup of a healthy cluster passes all of them, and each forgery of it, which reader.Open does not
// notice, is a violation of the check that it is a forgery for.
func TestForgedBackups(t *testing.T) {
	inScene(t, func(s *scene) {
		var a, b Subject
		s.run(func() { a, b = s.take("a"), s.take("b") })
		whole, found := s.judge(a, s.pieces(a))
		require.Empty(s, found)
		s.measured(whole)
		for _, f := range s.forgeries(a, b) {
			sub := a
			pieces := f.forge(t, &sub, copied(s.T, s.pieces(a)))
			_, found := s.judge(sub, pieces)
			s.Logf("%s: %v", f.name, found)
			require.NotEmpty(s, found, f.name)
			texts := ""
			for _, v := range found {
				require.Equal(s, f.check, v.Check, "%s: %s", f.name, v.Text)
				texts += v.Text + "\n"
			}
			require.Contains(s, texts, f.text, f.name)
		}
	})
}

func (s *scene) forgeries(a, b Subject) []forgery {
	lost, later := s.inserted(a), s.later(a)
	return []forgery{
		{"a lost document", func(t *testing.T, _ *Subject, p []reader.Piece) []reader.Piece {
			require.Equal(t, 2, lose(t, p, lost))
			certify(t, p, nil)
			return p
		}, checkInstant, "of " + lost + " was acknowledged at"},
		{"an effect without its cause", func(t *testing.T, sub *Subject, p []reader.Piece) []reader.Piece {
			lose(t, p, lost)
			certify(t, p, nil)
			sub.Cut = workload.Cut{} // it is not known when it was taken
			return p
		}, checkInstant, "an effect without its cause"},
		{"a document from after the cut", func(t *testing.T, _ *Subject, p []reader.Piece) []reader.Piece {
			require.Equal(t, 1, put(t, p, s.pieces(b), later))
			certify(t, p, nil)
			return p
		}, checkInstant, "too late"},
		{"a replica that differs", func(t *testing.T, _ *Subject, p []reader.Piece) []reader.Piece {
			for _, one := range p { // in the first piece that has it
				if all := records(t, one, lost); len(all) > 0 {
					change(t, one, func(b *engine.Batch) error {
						return b.Set(all[0].key, bytes.Replace(all[0].value, []byte(`"id":"`), []byte(`"id": "`), 1))
					})
					break
				}
			}
			certify(t, p, nil)
			return p
		}, checkReplicas, "replicas were in sync"},
		{"another Plan", func(t *testing.T, _ *Subject, p []reader.Piece) []reader.Piece {
			replan(t, p, func(d *dbclient.AgencyDump) {
				d.Dump = json.RawMessage(strings.Replace(string(d.Dump), `"writeConcern":1`, `"writeConcern":2`, 1))
			})
			certify(t, p, nil)
			return p
		}, checkPlan, "/writeConcern was 1 and is 2"},
		{"the Plan of another index", func(t *testing.T, _ *Subject, p []reader.Piece) []reader.Piece {
			s.plans.mu.Lock()
			before := s.plans.versions[len(s.plans.versions)-2].from
			s.plans.mu.Unlock()
			replan(t, p, func(d *dbclient.AgencyDump) { d.Index = before })
			certify(t, p, nil)
			return p
		}, checkPlan, "it has another Plan than the agency had at index"},
		{"a gate that had opened", func(t *testing.T, sub *Subject, p []reader.Piece) []reader.Piece {
			s.mu.Lock()
			defer s.mu.Unlock()
			sub.Events = slices.Clone(s.events)
			i := slices.IndexFunc(sub.Events, func(e event.Event) bool { return e.ID == a.Created.ID && e.Step == event.GateReleased })
			sub.Events[i].Step = event.GateExpired
			return p
		}, checkCertificate, "held its gate in attempt 1, and the server told: gate expired"},
		{"a certificate that does not hold", func(t *testing.T, _ *Subject, p []reader.Piece) []reader.Piece {
			certify(t, p, func(c *certificate.Certificate) {
				id := slices.Sorted(maps.Keys(c.Servers))[0]
				e := c.Servers[id]
				e.Gate.Unbroken = false
				c.Servers[id] = e
			})
			return p
		}, checkCertificate, "the gate was not held without a break"},
		{"a certificate that claims more than the answer", func(_ *testing.T, sub *Subject, p []reader.Piece) []reader.Piece {
			sub.Created.PotentiallyInconsistent = true
			return p
		}, checkCertificate, "the create answered true"},
		{"a piece less", func(_ *testing.T, _ *Subject, p []reader.Piece) []reader.Piece { return p[1:] }, checkPieces, "are missing"},
	}
}

// measured looks at what was measured of the healthy backup.
func (s *scene) measured(b verdict.Backup) {
	s.Logf("%+v", b)
	require.True(s, b.Checked)
	require.Empty(s, b.Unknown)
	require.Equal(s, []string{verdict.MeasureRTO}, b.Unmeasured)
	require.Equal(s, 1, b.Attempts)
	require.Equal(s, 500*time.Millisecond, b.Window)
	for name, d := range map[string]time.Duration{"dead time": b.DeadTime, "hold": b.Hold, "skew": b.CutSkew, "slack": b.Slack, "RPO": b.RPO, "earliest": b.Earliest} {
		require.Positive(s, d, name)
	}
	require.Greater(s, b.DeadTime, b.Hold)
	require.Less(s, b.CutSkew, b.Hold)
	require.Greater(s, b.Slack, 3*time.Second, "the lease is the window, the time for a cut, and four times the silence")
	require.Less(s, b.RPO, 100*time.Millisecond)
	require.Less(s, b.Earliest, b.Latest)
	require.Positive(s, b.Straddles)
}

// What is not known is not taken for right: without the agency's log a backup is not judged whole, and says why.
func TestUnknownIsNotRight(t *testing.T) {
	inScene(t, func(s *scene) {
		var a Subject
		s.run(func() { a = s.take("a") })
		never := a
		never.Plans, never.Events, never.History = nil, []event.Event{}, nil
		b, found := s.judge(never, s.pieces(a))
		require.Empty(s, found)
		require.False(s, b.Checked)
		require.Len(s, b.Unknown, 3)
		require.Equal(s, []string{verdict.MeasureRTO, verdict.MeasureSlack, verdict.MeasureRPO, verdict.MeasureStraddles}, b.Unmeasured)
		require.Equal(s, []string{"attempts", "cutSkew", "deadTime", "hold", "rpo", "rto", "slack", "straddles", "window"}, Failed("never", nil).Unmeasured)
		require.Contains(s, strings.Join(b.Unknown, "\n"), "Plan: the agency's log was not followed")
		require.Positive(s, b.DeadTime, "the coordinator has seen it")

		s.plans.Stop()
		require.NoError(s, s.world.Clients()[0].Database("").CreateCollection(s.Context(), "more", 1))
		s.run(func() { a = s.take("b") })
		b, found = s.judge(a, s.pieces(a))
		require.Empty(s, found)
		require.False(s, b.Checked)
		require.Contains(s, b.Unknown[0], "Plan: the agency's log was followed up to index")
	})
}

// two is a workload of which only the bounds of the instant are known.
type two struct {
	workload.Workload
	name             string
	earliest, latest time.Duration
	problems         []string
}

func (w two) Spec() workload.Spec { return workload.Spec{Name: w.name} }

func (w two) CheckCut(context.Context, *client.Client, workload.Cut) (workload.Findings, error) {
	return workload.Findings{Earliest: w.earliest, Latest: w.latest, Problems: w.problems}, nil
}

// undecided is a workload that does not know.
type undecided struct{ two }

func (undecided) CheckCut(context.Context, *client.Client, workload.Cut) (workload.Findings, error) {
	return workload.Findings{}, workload.ErrUndecided
}

// What is wrong stays wrong, although something else of the backup is not known.
func TestWrongBesideUnknown(t *testing.T) {
	inScene(t, func(s *scene) {
		a := s.take("a")
		r, _, err := Open(s.Context(), a.Created.ID, s.pieces(a))
		require.NoError(s, err)
		defer func() { require.NoError(s, r.Close()) }()
		a.Loads = []workload.Workload{two{name: "x", problems: []string{"p"}}, undecided{}, two{name: "y", problems: []string{"q"}}}
		a.Created.PotentiallyInconsistent = true
		b, found, err := Backup(s.Context(), r, a)
		require.ErrorIs(s, err, workload.ErrUndecided)
		require.False(s, b.Checked)
		require.Len(s, found, 3)
		require.Equal(s, []string{checkCertificate, checkInstant, checkInstant}, []string{found[0].Check, found[1].Check, found[2].Check})
	})
}

// Workloads that are right each for itself have one instant together, and a backup that was forced claims none.
func TestOneInstantForAllWorkloads(t *testing.T) {
	inScene(t, func(s *scene) {
		a := s.take("a")
		r, _, err := Open(s.Context(), a.Created.ID, s.pieces(a))
		require.NoError(s, err)
		defer func() { require.NoError(s, r.Close()) }()
		for i, c := range []struct {
			loads []workload.Workload
			want  string
		}{
			{[]workload.Workload{two{name: "x", earliest: 1, latest: 5}, two{name: "y", earliest: 5, latest: 9}}, ""},
			{[]workload.Workload{two{name: "x", earliest: 1, latest: 5}, two{name: "y", earliest: 6, latest: 9}}, "what y has is of 6ns or later, what x has is of 5ns or earlier"},
			{[]workload.Workload{two{name: "x", problems: []string{"p"}}, two{name: "y"}}, "x: p"},
		} {
			for _, forced := range []bool{false, true} {
				a.Loads, a.Forced, a.Created.PotentiallyInconsistent = c.loads, forced, forced
				b := verdict.Backup{}
				j := &judgement{backup: &b}
				require.NoError(s, j.instant(s.Context(), r, a))
				require.Equal(s, c.want != "" && !forced, len(j.found) == 1, "%d: %v", i, j.found)
				if c.want != "" {
					require.Contains(s, fmt.Sprint(j.found, b.Unknown), c.want)
				}
			}
		}
	})
}
