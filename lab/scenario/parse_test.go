package scenario_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stasis/lab/scenario"
)

// colliding is the example by which the language was asked for, as it stands there.
const colliding = `cluster: {agents: 3, dbservers: 3, coordinators: 2, latency: 0.1ms..1ms}
load: [bank: {clients: 4, accounts: 8, shards: 6, replication: 2, pace: 20ms}]
do:
  - at 1s: [backup a on coordinator-1, backup b on coordinator-2]
  - when a|b is "cut" on dbserver-2: cut its coordinator <-> dbserver-2
  - after both: heal
expect: [exactly one of a b, one instant, nothing left within 20s, longest write < 8s]
power: {lockMode: none, breaks: "> 5%"}
`

func TestExample(t *testing.T) {
	s, err := scenario.Parse("colliding", []byte(colliding))
	require.NoError(t, err)
	require.Equal(t, scenario.Cluster{
		Agents: 3, DBServers: 3, Coordinators: 2,
		LatencyLeast: 100 * time.Microsecond, LatencyMost: time.Millisecond, LatencyWritten: true, Line: 1,
	}, s.Cluster)
	require.Len(t, s.Load, 1)
	require.Equal(t, "bank", s.Load[0].Spec.Name)
	require.Equal(t, []any{4, 8, 6, 2, 20 * time.Millisecond}, []any{s.Load[0].Spec.Clients, s.Load[0].Spec.Accounts, s.Load[0].Spec.Shards, s.Load[0].Spec.Replication, s.Load[0].Spec.Pace})

	require.Len(t, s.Do, 3)
	require.Equal(t, time.Second, *s.Do[0].When.At)
	require.Equal(t, []scenario.Action{
		{Verb: "backup", Args: map[string]string{"name": "a", "coordinator": "coordinator-1"}, Text: "backup a on coordinator-1", Line: 4},
		{Verb: "backup", Args: map[string]string{"name": "b", "coordinator": "coordinator-2"}, Text: "backup b on coordinator-2", Line: 4},
	}, s.Do[0].Actions)
	require.Equal(t, &scenario.Moment{Operations: []string{"a", "b"}, Step: "cut", On: "dbserver-2"}, s.Do[1].When.Event)
	require.Equal(t, "cut both", s.Do[1].Actions[0].Verb)
	require.Equal(t, map[string]string{"a": "its coordinator", "b": "dbserver-2"}, s.Do[1].Actions[0].Args)
	require.Equal(t, []string{"a", "b"}, s.Do[2].When.After)
	require.Equal(t, "heal", s.Do[2].Actions[0].Verb)

	var kinds []string
	for _, e := range s.Expect {
		kinds = append(kinds, e.Kind)
		require.Equal(t, 7, e.Line)
	}
	require.Equal(t, []string{"exactly one", "one instant", "nothing left", "longest"}, kinds)
	require.Equal(t, "20s", s.Expect[2].Args["time"])
	require.Equal(t, map[string]string{"role": "write", "time": "8s"}, s.Expect[3].Args)
	require.Equal(t, &scenario.Power{LockMode: "none", BreaksOver: 0.05, Line: 8}, s.Power)
}

// Each form that can be written is read from its example, and says by its name that it was this one.
func TestExamplesOfForms(t *testing.T) {
	const head = "load: [bank]\ndo:\n  - at 1s: [hold a at \"published\", backup a, backup b on coordinator-2, create collection extra]\n"
	for _, f := range scenario.Actions() {
		// A wait comes first: an operation on a backup that is held there could not be asked for.
		s, err := scenario.Parse("x", []byte(head+"  - when a is \"linking\": [wait 1ms, '"+quoted(f.Example)+"']\n"))
		if f.Name == "backup" {
			_, err = scenario.Parse("x", []byte("do:\n  - at 1s: '"+quoted(f.Example)+"'\n  - at 2s: "+f.Example+" as x\n"))
			require.ErrorContains(t, err, "backups have different names")
			continue
		}
		require.NoError(t, err, f.Text)
		require.Equal(t, f.Name, s.Do[1].Actions[1].Verb, f.Example)
		require.NotEmpty(t, f.About)
	}
	for _, f := range scenario.Whens() {
		s, err := scenario.Parse("x", []byte(head+"  - "+f.Example+": heal\n"))
		require.NoError(t, err, f.Text)
		require.Equal(t, f.Example, s.Do[1].When.Text)
	}
	for _, f := range scenario.Expectations() {
		s, err := scenario.Parse("x", []byte(head+"expect: ['"+quoted(f.Example)+"']\n"))
		require.NoError(t, err, f.Text)
		require.Equal(t, f.Name, s.Expect[0].Kind, f.Example)
	}
	for _, f := range scenario.Servers() {
		_, err := scenario.Parse("x", []byte(head+"  - when a is \"cut\": '"+quoted("isolate "+f.Example)+"'\n"))
		require.NoError(t, err, f.Text)
	}
}

func quoted(s string) string {
	var b []byte
	for i := range len(s) {
		if s[i] == '\'' {
			b = append(b, '\'')
		}
		b = append(b, s[i])
	}
	return string(b)
}

// Options come in any order, and lists are lists in every way they can be written.
func TestManyWaysToSayOneThing(t *testing.T) {
	s, err := scenario.Parse("x", []byte(`
do:
  - at 1s: backup a deadline 1m timeout 30s force as x on coordinator-2
  - at 500ms: isolate dbserver-1, dbserver-2 and coordinator-1
  - at 500ms:
      - cut agent-1 -> agent-2, agent-3
  - every 2s from 1s until 9s: reset client <-> coordinator-1
  - 5s after x fails: heal
  - when "leader changed" after 2: wait 1s
`))
	require.NoError(t, err)
	require.Equal(t, map[string]string{"name": "a", "deadline": "1m", "force": "force", "time": "30s", "label": "x", "coordinator": "coordinator-2"}, s.Do[0].Actions[0].Args)
	require.Equal(t, "dbserver-1, dbserver-2 and coordinator-1", s.Do[1].Actions[0].Args["a"])
	all, err := scenario.ParseServers(s.Do[1].Actions[0].Args["a"])
	require.NoError(t, err)
	require.Len(t, all, 3)
	require.Equal(t, "agent-2, agent-3", s.Do[2].Actions[0].Args["b"])
	require.Equal(t, []time.Duration{time.Second, 2 * time.Second, 9 * time.Second}, []time.Duration{*s.Do[3].When.At, s.Do[3].When.Every, s.Do[3].When.Until})
	require.Equal(t, scenario.Fails, s.Do[4].When.Ends)
	require.Equal(t, 5*time.Second, s.Do[4].When.Later)
	require.Equal(t, &scenario.Moment{Step: "leader changed", Passed: 2}, s.Do[5].When.Event)
	require.Equal(t, []scenario.Operation{{Label: "x", Kind: "create", Backup: "a", On: "coordinator-2", Line: 3}}, s.Operations())
}
