package readindex

import (
	"testing"

	"github.com/hashicorp/raft"
	"github.com/stretchr/testify/require"
)

// TestAcks: only calls of the term that were sent after a mark count, and answers that cross do
// not take a newer one back.
func TestAcks(t *testing.T) {
	a, peers := NewAcks(), []raft.ServerID{"b", "c"}
	count := func(mark, term uint64) int {
		n, _ := a.since(mark, term, peers)
		return n
	}
	early, mark, late := a.Mark(), a.Mark(), a.Mark()
	a.Note("b", early, Ack{Term: 1, Matched: 5})
	require.Zero(t, count(mark, 1), "a call that was sent before")
	_, changed := a.since(mark, 1, peers)
	a.Note("b", late, Ack{Term: 1})
	<-changed
	require.Equal(t, 1, count(mark, 1))
	last, ok := a.Last("b", 1)
	require.True(t, ok)
	require.EqualValues(t, 5, last.Matched, "a heartbeat says nothing of the log")

	a.Note("b", early, Ack{Term: 1, Matched: 9})
	require.Equal(t, 1, count(mark, 1), "an old answer replaces a newer one")
	a.Note("c", a.Mark(), Ack{Term: 2})
	require.Equal(t, 1, count(mark, 1), "an answer of another term")
	require.Equal(t, 1, count(mark, 2))
	a.Note("c", a.Mark(), Ack{Term: 1})
	require.Equal(t, 1, count(mark, 2), "a later term stays")
	_, ok = a.Last("c", 1)
	require.False(t, ok)
	a.Note("d", a.Mark(), Ack{Term: 2})
	require.Equal(t, 1, count(mark, 2), "an agent that has no vote")
}
