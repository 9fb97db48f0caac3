package quota

import (
	"bytes"
	"context"
	"errors"
	"math"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/hashicorp/go-hclog"
	"github.com/stretchr/testify/require"

	"stasis/fsm"
	"stasis/internal/bubbles"
)

func parse(t *testing.T, raw string) []fsm.Transaction {
	t.Helper()
	tx, err := fsm.ParseTransaction([]byte(raw))
	require.NoError(t, err)
	return []fsm.Transaction{tx}
}

// TestLimitsByKind: what a transaction is about, and who proposes it, decides how far it may fill the
// tree.
func TestLimitsByKind(t *testing.T) {
	q := New(1 << 20)
	value := strings.Repeat("x", 4<<10)
	fill := func(m *fsm.Machine, path string, with func([]fsm.Transaction) []fsm.Transaction) (weight int64) {
		for i := range 1000 {
			txs := parse(t, `[{"`+path+`/`+strings.Repeat("k", i+1)+`":"`+value+`"}]`)
			if o := m.Apply(1, fsm.Command{Time: 1, Transactions: with(txs)})[0]; o.Index == 0 {
				require.True(t, Refused(o))
				require.ErrorContains(t, Error(o), Remedy)
				return m.State().Weight()
			}
		}
		require.Fail(t, "it is not bounded", path)
		return 0
	}
	m := fsm.New(10)
	clients := fill(m, "/arango/Plan", q.OfClients)
	require.LessOrEqual(t, clients, int64(1<<20))
	books := fill(m, "/arango/Current", q.OfClients)
	require.Greater(t, books, clients, "the cluster's books have a part of the reserve")
	require.LessOrEqual(t, books, int64(1<<20+1<<17))
	leader := fill(m, "/arango/Plan", q.OfLeader)
	require.Greater(t, leader, books, "the leader has all of it")
	require.LessOrEqual(t, leader, int64(1<<20+1<<18))
	o := m.Apply(1, fsm.Command{Time: 1, Transactions: q.OfClients(parse(t, `[{"/arango/Current":{"op":"delete"}}]`))})[0]
	require.Positive(t, o.Index, "what makes the tree no heavier is not refused")
	require.Positive(t, m.Apply(1, fsm.Command{Time: 1, Transactions: Unlimited(parse(t, `[{"/x":"`+value+`"}]`))})[0].Index)
}

// TestAlarmDoesNotFlap: it begins when little is left, and ends only when twice as much is.
func TestAlarmDoesNotFlap(t *testing.T) {
	q := New(1600)
	alarm := func(weight int64) bool {
		q.Note(weight, nil)
		return q.State(weight).Alarm != ""
	}
	require.False(t, alarm(1500))
	require.True(t, alarm(1501))
	require.True(t, alarm(1401))
	require.False(t, alarm(1400))
	require.False(t, alarm(1500))
}

// TestReportLogsChanges: the log has the beginning and the end of the alarm, and refusals, once each.
func TestReportLogsChanges(t *testing.T) {
	bubbles.Test(t, func(t *testing.T) {
		q := New(1600)
		var mu sync.Mutex
		var weight int64
		var out bytes.Buffer
		logger := hclog.New(&hclog.LoggerOptions{Output: &out, DisableTime: true, Mutex: &mu})
		ctx, cancel := context.WithCancel(t.Context())
		var reporting sync.WaitGroup
		reporting.Go(func() { q.Report(ctx, func() int64 { return weight }, logger) })
		logged := func(w int64, outcomes ...fsm.Outcome) string {
			weight = w
			out.Reset()
			q.Note(w, outcomes)
			synctest.Wait()
			return out.String()
		}
		require.Empty(t, logged(100))
		require.Contains(t, logged(1590), "the agency's tree is nearly full")
		require.Empty(t, logged(1580))
		require.Contains(t, logged(1590, fsm.Outcome{Reason: errors.Join(fsm.ErrLimit)}), "transactions were refused")
		require.Contains(t, logged(100), "the agency's tree has room again")
		require.EqualValues(t, 1, q.State(100).Refused)
		cancel()
		reporting.Wait()
	})
}

// TestPlusDoesNotOverflow: a sum that does not fit is the largest number.
func TestPlusDoesNotOverflow(t *testing.T) {
	require.EqualValues(t, 5, Plus(2, 3))
	require.EqualValues(t, math.MaxInt64, Plus(math.MaxInt64-1, 2))
}
