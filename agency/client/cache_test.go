package client

import (
	"testing"

	"github.com/stretchr/testify/require"

	"stasis/fsm"
)

func parsed(t *testing.T, raw string) *Node {
	n, err := fsm.Parse([]byte(raw))
	require.NoError(t, err)
	return n
}

func entry(index uint64, query string) fsm.Entry {
	return fsm.Entry{Index: index, Query: []byte(query)}
}

// The cache's index never falls and its tree is never emptied, whatever an agent
// says.
func TestCacheTakesOnlyWhatContinuesIt(t *testing.T) {
	k := NewCache(nil, nil)
	require.Zero(t, k.Snapshot().Index)
	require.False(t, k.Snapshot().Root.At("/a").Exists())
	require.Equal(t, gap, k.take(PollResult{Log: []fsm.Entry{entry(1, `{"/a":1}`)}, CommitIndex: 1}), "no tree to continue")
	first := k.Changed(0)
	require.Equal(t, fit, k.take(PollResult{ReadDB: parsed(t, `{"a":5}`), CommitIndex: 5}))
	<-first
	<-k.Changed(4)
	at := k.Snapshot()

	for name, c := range map[string]struct {
		result PollResult
		want   fitness
	}{
		"nothing new":             {PollResult{CommitIndex: 5, FirstIndex: 5}, fit},
		"agent behind":            {PollResult{CommitIndex: 4, FirstIndex: 4}, behind},
		"older tree":              {PollResult{ReadDB: parsed(t, `{"a":4}`), CommitIndex: 4}, behind},
		"same tree":               {PollResult{ReadDB: parsed(t, `{"a":6}`), CommitIndex: 5}, fit},
		"wiped agency":            {PollResult{ReadDB: parsed(t, `{}`), CommitIndex: 0}, behind},
		"empty tree":              {PollResult{ReadDB: parsed(t, `{}`), CommitIndex: 9}, behind},
		"known entries":           {PollResult{Log: []fsm.Entry{entry(4, `{"/a":4}`), entry(5, `{"/a":6}`)}, CommitIndex: 5}, fit},
		"gap in front":            {PollResult{Log: []fsm.Entry{entry(7, `{"/a":7}`)}, CommitIndex: 7}, gap},
		"gap inside":              {PollResult{Log: []fsm.Entry{entry(6, `{"/a":6}`), entry(8, `{"/a":8}`)}, CommitIndex: 8}, gap},
		"missing entries":         {PollResult{CommitIndex: 8, FirstIndex: 8}, gap},
		"entry not understood":    {PollResult{Log: []fsm.Entry{entry(6, `{"/a":{"op":"moo"}}`)}, CommitIndex: 6}, gap},
		"entries of a new agency": {PollResult{Log: []fsm.Entry{entry(1, `{"/a":1}`)}, CommitIndex: 1}, behind},
	} {
		require.Equal(t, c.want, k.take(c.result), name)
		require.Equal(t, at, k.Snapshot(), name)
	}

	news := k.Changed(5)
	require.Equal(t, fit, k.take(PollResult{Log: []fsm.Entry{entry(5, `{"/a":0}`), entry(6, `{"/b":1}`), entry(7, `{"/a":7}`)}, CommitIndex: 7}))
	<-news
	require.EqualValues(t, 7, k.Snapshot().Index)
	require.True(t, fsm.Equal(parsed(t, `{"a":7,"b":1}`), k.Snapshot().Root))
	require.True(t, fsm.Equal(parsed(t, `{"a":5}`), at.Root), "a snapshot never changes")
	require.Equal(t, fit, k.take(PollResult{ReadDB: parsed(t, `{"c":9}`), CommitIndex: 90}), "the log no longer reached back")
	require.EqualValues(t, 90, k.Snapshot().Index)
}
