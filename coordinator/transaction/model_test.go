package transaction_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	dbclient "stasis/dbserver/client"
	"stasis/internal/apierror"
	"stasis/internal/bubbles"
)

// Whatever answers are lost, servers die and leaders change: a commit that was answered is everywhere, one that failed is
// nowhere, one whose outcome was unknown is one of both, and nothing is left open. Every transaction, also one of which nobody
// was told, is whole or absent.
func TestCommitsAreWholeOrAbsent(t *testing.T) {
	outcomes := map[string]int{}
	rapid.Check(t, func(t *rapid.T) {
		bubbles.Rapid(t, func(t *rapid.T) {
			m := &model{fixture: start(t, nil, "A", "B", "C", "A"), open: map[dbclient.TxnID]map[string]string{}, told: map[dbclient.TxnID]string{}}
			defer m.stop()
			m.world.fault = chance(rapid.Uint64().Draw(t, "seed"), rapid.Uint64Range(0, 30).Draw(t, "percent"), unsent, before, after, dies, unled, closed)
			t.Repeat(map[string]func(*rapid.T){
				"begin":  m.beginOne,
				"write":  m.writeOne,
				"commit": m.commitOne,
				"abort":  m.abortOne,
				"move":   m.moveOne,
				"wait": func(t *rapid.T) {
					time.Sleep(time.Duration(rapid.IntRange(1, 20_000).Draw(t, "ms")) * time.Millisecond)
				},
			})
			m.judge(t, outcomes)
		})
	})
	t.Log(outcomes)
	for _, o := range []string{"committed, was told committed", "aborted, was told aborted"} {
		require.NotZero(t, outcomes[o], "%v", outcomes)
	}
}

type model struct {
	*fixture
	open map[dbclient.TxnID]map[string]string // what was written and answered, by shard and key
	ids  []dbclient.TxnID
	told map[dbclient.TxnID]string
	next int
}

func (m *model) beginOne(*rapid.T) {
	id := m.begin(writing)
	m.ids, m.open[id] = append(m.ids, id), map[string]string{}
}

func (m *model) pick(t *rapid.T) dbclient.TxnID {
	if len(m.ids) == 0 {
		t.Skip("no transaction")
	}
	return rapid.SampledFrom(m.ids).Draw(t, "transaction")
}

// writeOne writes a key of its own, so that what is found tells who has written it.
func (m *model) writeOne(t *rapid.T) {
	id, shard := m.pick(t), rapid.IntRange(1, 4).Draw(t, "shard")
	m.next++
	key := keyOn(shard, 4, m.next)
	switch err := m.write(id, key, fmt.Sprintf(`"%s"`, id)); {
	case err == nil:
		m.open[id][fmt.Sprintf("s%d/%s", shard, key)] = fmt.Sprintf(`"%s"`, id)
	case errors.Is(err, apierror.TransactionAborted) && m.told[id] == "":
		m.told[id] = "aborted"
	case apierror.From(err).Status() == 503 && m.told[id] == "": // nothing was done, and it lives on
		require.NotContains(t, err.Error(), "unknown")
	}
}

func (m *model) commitOne(t *rapid.T) {
	id := m.pick(t)
	was := m.told[id]
	err := m.commit(id)
	var e *apierror.Error
	switch {
	case err == nil:
		require.NotEqual(t, "aborted", was)
		m.told[id] = "committed"
	case errors.Is(err, apierror.TransactionAborted), errors.Is(err, apierror.TransactionDisallowed):
		require.NotEqual(t, "committed", was, "%v", err)
		m.told[id] = "aborted"
	case errors.Is(err, apierror.GateClosed):
		require.Empty(t, was, "%v", err)
	case errors.As(err, &e) && e.Extra[apierror.Outcome] == apierror.OutcomeUnknown:
		m.told[id] = "unknown"
	default:
		require.NoError(t, err)
	}
}

func (m *model) abortOne(t *rapid.T) {
	id := m.pick(t)
	was := m.told[id]
	switch _, err := m.m.Abort(t.Context(), "db", id); {
	case err == nil:
		require.NotEqual(t, "committed", was)
		m.told[id] = "aborted"
	case errors.Is(err, apierror.TransactionDisallowed):
		require.NotEqual(t, "aborted", was, "%v", err)
		m.told[id] = "committed"
	default:
		require.ErrorIs(t, err, apierror.ConnectionLost)
	}
}

func (m *model) moveOne(t *rapid.T) {
	shard, leaders := rapid.IntRange(1, 4).Draw(t, "shard"), []string{}
	to := rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "to")
	m.world.move(fmt.Sprintf("s%d", shard), "http://"+to)
	for i := range 4 {
		m.world.mu.Lock()
		leaders = append(leaders, map[string]string{"http://a": "A", "http://b": "B", "http://c": "C"}[m.world.shards[fmt.Sprintf("s%d", i+1)].leader])
		m.world.mu.Unlock()
	}
	m.plan.become(t, 1, leaders...)
}

// judge compares what clients were told with what the servers have.
func (m *model) judge(t *rapid.T, outcomes map[string]int) {
	m.world.mu.Lock()
	m.world.fault = func(string, string) fault { return none }
	m.world.mu.Unlock()
	time.Sleep(time.Minute + 10*time.Second) // servers are back; what is idle ends; what is in doubt asks
	for _, id := range m.ids {
		if s := m.state(id); s != "committed" && s != "aborted" {
			require.Failf(t, "it never ends", "transaction %s is %s", id, s)
		}
	}
	m.stop()
	m.world.settle()
	require.Empty(t, m.world.broken)
	for _, id := range m.ids {
		state := m.state(id)
		was := m.told[id]
		outcomes[state+", was told "+was]++
		if was == "committed" || was == "aborted" {
			require.Equal(t, was, state, "transaction %s", id)
		}
		require.Equal(t, state == "committed" && len(m.open[id]) > 0, m.world.decided(id), "transaction %s is %s", id, state)
		for where, value := range m.open[id] {
			var shard, key string
			_, err := fmt.Sscanf(where[:2]+" "+where[3:], "%s %s", &shard, &key)
			require.NoError(t, err)
			found := m.world.stored(shard, key)
			if state == "committed" {
				require.Equal(t, value, found, "transaction %s is committed, and not on %s", id, where)
			} else {
				require.Empty(t, found, "transaction %s is aborted, and on %s", id, where)
			}
		}
	}
}
