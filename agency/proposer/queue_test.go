package proposer

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"stasis/agency/outcome"
	"stasis/fsm"
)

// TestQueue: batches keep order and bounds, a withdrawn envelope is not
// proposed, and a closed queue refuses.
func TestQueue(t *testing.T) {
	p := newQueue(func(string) bool { return false })
	enqueue := func(transactions []fsm.Transaction, bytes int) *proposal {
		return p.enter(newProposal(transactions, bytes))
	}
	tx, err := fsm.ParseTransaction([]byte(`[{"x":1},{},"id"]`))
	require.NoError(t, err)
	many := make([]fsm.Transaction, maxBatch-1)
	first, second := enqueue(many, 1), enqueue([]fsm.Transaction{tx}, 1)
	third, fourth := enqueue([]fsm.Transaction{tx}, maxBatchBytes), enqueue(nil, 1)
	gone := enqueue([]fsm.Transaction{tx}, 1)
	require.True(t, p.withdraw(gone))
	require.False(t, p.withdraw(gone))
	require.Len(t, p.pending([]string{"id"}), 2)
	require.Empty(t, p.pending([]string{"", "other"}))
	require.Equal(t, []*proposal{first, second}, p.take())
	require.False(t, p.withdraw(first), "in flight")
	require.Equal(t, []*proposal{third}, p.take())
	require.Nil(t, p.take(), "enough is in flight")
	p.landed([]*proposal{first, second})
	require.Equal(t, []*proposal{fourth}, p.take())
	p.landed([]*proposal{third})
	require.Nil(t, p.take(), "nothing waits")
	waiting := enqueue(nil, 1)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	<-p.wake
	p.run(ctx, nil)
	for _, e := range []*proposal{waiting, enqueue(nil, 1)} {
		<-e.done
		require.ErrorIs(t, e.err, outcome.ErrClosed)
	}
}
