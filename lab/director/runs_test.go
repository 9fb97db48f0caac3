package director

import (
	"testing"

	"github.com/stretchr/testify/require"

	"stasis/fault/control"
	"stasis/lab/scenario"
	"stasis/lab/verdict"
	"stasis/lab/world"
	"stasis/minicluster"
)

// posed is a world of servers of which tests say what they do, and to which anything can be done.
type posed struct {
	alone
	states map[string]control.State
}

func (p posed) Nodes() (all []minicluster.Node) {
	for name, state := range p.states {
		all = append(all, minicluster.Node{Name: name, State: state})
	}
	return all
}
func (p posed) Kill(server string) error         { p.states[server] = control.Killed; return nil }
func (p posed) Crash(server string, _ int) error { return p.Kill(server) }
func (p posed) Lose(server string) error         { return p.Kill(server) }
func (posed) Pause(string) error                 { return nil }
func (posed) Resume(string) error                { return nil }
func (posed) Network() world.Network             { return frozenOnes{} }

type frozenOnes struct{ world.Network }

func (frozenOnes) Freeze(string) error        { return nil }
func (frozenOnes) Thaw(string) error          { return nil }
func (frozenOnes) Reset(string, string) error { return nil }

// A fault of a server counts as met if it changes something: a server that is dead is not killed again.
func TestFaultsOfTheDeadAreNotMet(t *testing.T) {
	for name, c := range map[string]struct {
		before []string
		verb   string
		want   int
	}{
		"kill":                       {verb: "kill", want: 1},
		"kill a dead one":            {before: []string{"kill"}, verb: "kill"},
		"kill a paused one":          {before: []string{"pause"}, verb: "kill", want: 1},
		"crash":                      {verb: "crash", want: 1},
		"crash a dead one":           {before: []string{"lose disk"}, verb: "crash"},
		"pause":                      {verb: "pause", want: 1},
		"pause a paused one":         {before: []string{"pause"}, verb: "pause"},
		"pause one that goes on":     {before: []string{"pause", "resume"}, verb: "pause", want: 1},
		"pause a dead one":           {before: []string{"kill"}, verb: "pause"},
		"lose a disk":                {verb: "lose disk", want: 1},
		"lose the disk of a dead":    {before: []string{"kill"}, verb: "lose disk", want: 1},
		"lose a disk that is empty":  {before: []string{"lose disk"}, verb: "lose disk"},
		"freeze":                     {verb: "freeze", want: 1},
		"freeze a frozen one":        {before: []string{"freeze"}, verb: "freeze"},
		"freeze one that was thawed": {before: []string{"freeze", "thaw"}, verb: "freeze", want: 1},
		"freeze a dead one":          {before: []string{"kill"}, verb: "freeze"},
		"reset":                      {verb: "reset", want: 1},
		"reset links of a dead one":  {before: []string{"kill"}, verb: "reset"},
	} {
		t.Run(name, func(t *testing.T) {
			w := posed{states: map[string]control.State{"dbserver-1": control.Running, "dbserver-2": control.Running}}
			all := &faults{}
			s := &stage{
				world: w, log: func(string) {}, faults: all, choice: &chooser{world: w, first: map[string]string{}, named: map[string][]string{}},
				down: map[string]bool{}, paused: map[string]bool{}, frozen: map[string]bool{}, lost: map[string]bool{},
			}
			do := func(verb string) *record {
				a := scenario.Action{Verb: verb, Text: verb, Line: 3, Args: map[string]string{"a": "dbserver-1", "b": "dbserver-2"}}
				r := all.of(a, "")
				require.NoError(t, act(t.Context(), s, deed{Action: a, record: r}))
				return r
			}
			for _, verb := range c.before {
				do(verb)
			}
			r := do(c.verb)
			require.NoError(t, all.count())
			require.Equal(t, c.want, r.fault.Met)
			require.Equal(t, 1, r.fault.Injected)
			require.Equal(t, c.want == 0, missed(r.fault) != "")
		})
	}
}

// A delay of what a dead server would say is met once the server runs.
func TestDelayOfTheDead(t *testing.T) {
	w := posed{states: map[string]control.State{"dbserver-1": control.Killed}}
	for _, comes := range []bool{false, true} {
		all := &faults{}
		r := all.of(scenario.Action{}, "")
		(&stage{world: w}).meetWhileUp(deed{record: r}, "dbserver-1", world.Client)
		require.Zero(t, r.fault.Met)
		if comes {
			w.states["dbserver-1"] = control.Running
		}
		require.NoError(t, all.count())
		require.Equal(t, comes, r.fault.Met == 1)
	}
}

// A server that is killed twice, and operations on a backup that is not there, make a run vacuous, and the verdict names each with its line.
func TestWhatCannotBeDone(t *testing.T) {
	v := stand{seed: 1}.play(t, parse(t, `
cluster: {agents: 1, dbservers: 2, coordinators: 2}
lasts: 100ms
do:
  - at 100ms: [kill coordinator-2, kill coordinator-2]
  - at 200ms: backup a on coordinator-1 timeout 30s
  - at 202ms: [restore a, verify a, upload a to lab:x, delete a]
`))
	require.Equal(t, verdict.Vacuous, v.Outcome, "%v", v.Violations)
	require.Equal(t, []int{1, 0}, []int{v.Faults[0].Met, v.Faults[1].Met})
	require.Contains(t, v.Reason, "line 5: `kill coordinator-2` was never met")
	for _, one := range []string{"restore-a", "verify-a", "upload-a", "delete-a"} {
		require.Contains(t, v.Reason, "line 7: "+one+" could not be asked for: the backup a has not ended yet")
	}
}
