package minicluster

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stasis/client"
	"stasis/fault/control"
)

// Wall clocks and random delays of servers that share this process take orders, one clock by itself.
func TestClocksAndDelaysInThisProcess(t *testing.T) {
	c, err := Start(t.Context(), Options{Dir: t.TempDir(), Agents: 1, DBServers: 1, Coordinators: 2, Lab: true})
	require.NoError(t, err)
	defer func() { require.NoError(t, c.Stop(t.Context())) }()
	require.NoError(t, c.Ready(t.Context()))
	do := func(o control.Order) control.Rule {
		a, err := c.Lab().Do(t.Context(), o)
		require.NoError(t, err)
		require.Len(t, a.Rules, 1)
		return a.Rules[0]
	}
	met := func(r control.Rule) int {
		a, err := c.Lab().Do(t.Context(), control.Order{Do: control.RuleMet, Rule: r.ID})
		require.NoError(t, err)
		return a.Met
	}
	delays := do(control.Order{Do: control.Buggify, Random: &control.Random{Seed: 1, Probability: 1, Most: time.Millisecond}})
	clock := do(control.Order{Do: control.Clock, Server: "coordinator-1", By: 24 * time.Hour})
	_, _, coordinators := c.Nodes()
	for i, off := range []time.Duration{24 * time.Hour, 0} {
		asked, err := client.New(coordinators[i].URL, client.Options{})
		require.NoError(t, err)
		made, err := asked.Backups().Create(t.Context(), client.CreateRequest{Label: "x"})
		require.NoError(t, err)
		at, err := time.Parse(time.RFC3339, made.DateTime)
		require.NoError(t, err)
		require.Less(t, (time.Until(at) - off).Abs(), time.Hour, made.DateTime)
	}
	require.Positive(t, met(clock))
	require.Positive(t, met(delays))
	_, err = c.Lab().Do(t.Context(), control.Order{Do: control.Clock, Server: "coordinator-9"})
	require.ErrorIs(t, err, control.NoSuchServer)
	_, err = c.Lab().Do(t.Context(), control.Order{Do: control.Buggify, Random: &control.Random{Probability: 2}})
	require.ErrorIs(t, err, control.BadOrder)
}
