package fsm

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// A watcher that replays the log has the machine's tree after each entry, also
// when values expire; its poll never starts from a tree with too much in it.
func TestReplayFollowsTheMachine(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		m := New(1000)
		now := int64(testTime)
		early := m.State().Root()
		for range rapid.IntRange(1, 20).Draw(rt, "transactions") {
			now += rapid.Int64Range(0, 2000).Draw(rt, "passes")
			text := transactionText(drawOps.Draw(rt, "ops"), "{}", "")
			if rapid.Bool().Draw(rt, "expiring") {
				path, _ := json.Marshal(drawPath.Draw(rt, "path"))
				ttl := rapid.SampledFrom([]string{"0", "1", "2.5"}).Draw(rt, "ttl")
				text = `[{` + string(path) + `:{"op":"set","new":` + drawValue.Draw(rt, "new") + `,"ttl":` + ttl + `}}]`
			}
			view := m.State().AsOf(now)
			outcome := applyAt(rt, m, now, text)[0]
			require.True(rt, Equal(outcome.State.Root(), outcome.State.AsOf(now).Root()))
			if outcome.Index == 0 {
				require.True(rt, Equal(view.Root(), outcome.State.Root()))
				continue
			}
			entries, ok := m.State().Log(outcome.Index)
			require.True(rt, ok)
			require.Len(rt, entries, 1)
			early = Replay(early, entries[0])
			require.True(rt, Equal(m.State().Root(), early), "%s instead of %s", early, m.State().Root())
			require.True(rt, Equal(early, Replay(view.Root(), entries[0])), "from a view without the expired")
		}
	})
}

func TestReplayOfWhatIsNoEntry(t *testing.T) {
	root := value(t, `{"a":"x"}`)
	for _, query := range []string{``, `5`, `[]`, `{"a":{"op":"?"}}`, `{"a":{"op":"write-lock","by":"y"}}`, `{"a":1,"/a":2}`} {
		require.Nil(t, Replay(root, Entry{Query: json.RawMessage(query)}), query)
	}
	require.Equal(t, `{"b":1}`, Replay(nil, Entry{Query: json.RawMessage(`{"b":1}`)}).String())
	require.Equal(t, `{"a":"x"}`, Replay(root, Entry{Query: json.RawMessage(`{"b":{"op":"observe","url":"u"}}`)}).String())
}
