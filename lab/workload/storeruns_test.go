package workload

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stasis/internal/bubbles"
	"stasis/lab/history"
)

// inStore lets clients of a workload of transactions work on a store for a time, and judges what is there at the end.
func inStore(t *testing.T, name string, s *store, file *bytes.Buffer) (*load, Findings) {
	t.Helper()
	o := history.Options{}
	if file != nil {
		o.Stream = file
	}
	w, err := New(Spec{Name: name, Clients: 6, Pace: time.Millisecond, Seed: 3}, history.Open(o))
	require.NoError(t, err)
	require.NoError(t, w.Setup(t.Context(), s.clients(t)))
	ctx, stop := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer stop()
	require.NoError(t, w.Run(ctx, s.clients(t), time.Second))
	f, err := w.CheckEnd(t.Context(), s.clients(t)[0])
	require.NoError(t, err)
	return w.(*load), f
}

// A store that keeps all rules: nothing is wrong, most transactions are committed, and what the file has of them judges the same.
func TestTransactionsOfASoundStore(t *testing.T) {
	for name := range inTxns {
		t.Run(name, func(t *testing.T) {
			bubbles.Test(t, func(t *testing.T) {
				var file bytes.Buffer
				l, f := inStore(t, name, newStore(), &file)
				require.Empty(t, f.Problems)
				require.Greater(t, f.Present, 50)
				require.Greater(t, l.h.Tally().OK, 50)
				require.Positive(t, l.h.Tally().Fail, "transactions met each other")
				again, err := history.Parse(&file)
				require.NoError(t, err)
				require.Equal(t, l.h.Ops(), again.Ops())
				all, without, err := Export(again)
				require.NoError(t, err)
				require.Empty(t, without)
				require.Len(t, all, 1)
			})
		})
	}
}

// Answers to commits are lost: clients ask again, and know. If all answers are lost they do not, and nothing is wrong all the same.
func TestLostAnswersOfCommits(t *testing.T) {
	for name := range inTxns {
		for _, part := range []int{2, 10} { // of ten
			bubbles.Test(t, func(t *testing.T) {
				random, turn := rand.New(rand.NewPCG(1, 2)), make(chan struct{}, 1) // clients ask at the same time
				s := newStore()
				begun := time.Now()
				s.lost = func() bool {
					turn <- struct{}{}
					defer func() { <-turn }()
					return time.Since(begun) > 200*time.Millisecond && random.IntN(10) < part
				}
				l, f := inStore(t, name, s, nil)
				require.Empty(t, f.Problems, name)
				if part == 10 {
					require.Positive(t, l.h.Tally().Info, name)
				} else {
					require.Zero(t, l.h.Tally().Info, name)
				}
			})
		}
	}
}

// A store that breaks a rule now and then is found out.
func TestTransactionsOfABrokenStore(t *testing.T) {
	const all = "appends links together transfers"
	for _, c := range []struct {
		rule, by string
		percent  int
		finds    []string // one of them
	}{
		{noLocks, all, 100, []string{"lost update"}},
		{noOwn, "appends", 20, []string{"internal"}},
		{noCommit, "appends together transfers", 50, []string{"G1", "no order", "no such thing", "refused"}},
		{noWhole, all, 10, []string{"a part of a transaction", "not all or nothing", "the total of", "lost update", "missing: ", "gap"}},
		{noAbort, "appends transfers", 100, []string{"was refused, and was done nevertheless", "G1a"}},
		{noReading, "appends together transfers", 20, []string{"no order", "lost update"}},
	} {
		for _, name := range strings.Fields(c.by) {
			t.Run(c.rule+", "+name, func(t *testing.T) {
				bubbles.Test(t, func(t *testing.T) {
					random := rand.New(rand.NewPCG(1, 2))
					s := newStore()
					begun := time.Now()
					s.fault = func(rule string) bool {
						broken := rule == c.rule || c.rule == noLocks && rule == noChange
						return broken && time.Since(begun) > 100*time.Millisecond && random.IntN(100) < c.percent
					}
					_, f := inStore(t, name, s, nil)
					require.True(t, slices.ContainsFunc(c.finds, func(want string) bool { return strings.Contains(fmt.Sprint(f.Problems), want) }), "%v", f.Problems)
				})
			})
		}
	}
}
