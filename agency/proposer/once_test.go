package proposer

import (
	"testing"

	"github.com/stretchr/testify/require"

	"stasis/agency/outcome"
	"stasis/fsm"
)

// TestOnce: what the proposer looks at before it proposes an envelope whose ids may be applied
// once: what is in the same batch, in flight, and in the tree; and whether the leadership lasts.
func TestOnce(t *testing.T) {
	tx := func(id string) []fsm.Transaction {
		parsed, err := fsm.ParseTransaction([]byte(`[{"x":1},{},"` + id + `"]`))
		require.NoError(t, err)
		return []fsm.Transaction{parsed}
	}
	applied := map[string]bool{}
	p := newQueue(func(id string) bool { return applied[id] })
	once := func(id string) *proposal {
		e := newProposal(tx(id), 1)
		e.once = clientIDs(e.transactions)
		return p.enter(e)
	}
	refused := func(e *proposal, reason error) {
		t.Helper()
		select {
		case <-e.done:
			require.ErrorIs(t, e.err, reason)
		default:
			require.Fail(t, "it waits")
		}
	}

	first, twin, other := once("a"), once("a"), once("b")
	batch := p.take()
	require.Equal(t, []*proposal{first, other}, batch)
	refused(twin, outcome.ErrUnknown)

	again, plain := once("a"), p.enter(newProposal(tx("a"), 1))
	next := p.take()
	require.Equal(t, []*proposal{plain}, next, "who has not said that an id is its own may use it again")
	refused(again, outcome.ErrUnknown)

	p.landed(batch) // and nothing of it was applied: a precondition failed
	p.landed(next)
	applied["b"] = true
	second, late := once("a"), once("b")
	batch = p.take()
	require.Equal(t, []*proposal{second}, batch)
	refused(late, outcome.ErrUnknown)
	p.landed(batch)
	require.Empty(t, p.once.flying)

	ended := make(chan struct{})
	close(ended)
	e := newProposal(tx("c"), 1)
	e.lost = ended
	p.enter(e)
	behind := once("d")
	require.Equal(t, []*proposal{behind}, p.take(), "what goes before does not keep the others")
	refused(e, outcome.ErrNotLeader)
	require.Nil(t, p.take())
}
