package observer

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stasis/agency/leadership"
	"stasis/fsm"
)

// TestManyChangesForAnObserver: what waits for an observer that does not answer is bounded.
func TestManyChangesForAnObserver(t *testing.T) {
	m := fsm.New(100)
	apply := func(raw string) {
		tx, err := fsm.ParseTransaction([]byte(raw))
		require.NoError(t, err)
		m.Apply(1, fsm.Command{Transactions: []fsm.Transaction{tx}})
	}
	c := &callbacks{busy: map[string]bool{"u": true}, pending: map[string]map[string]map[string]string{}, leadership: &leadership.Leadership{Term: 7}}
	apply(`[{"/a":{"op":"observe","url":"u"}}]`)
	for i := range 3 * fsm.MostChanges {
		index := m.State().Index()
		apply(`[{"/a/` + string(rune('a'+i%26)) + `/` + time.Duration(i).String() + `":1}]`)
		c.note(m.State(), index+1)
		require.LessOrEqual(t, len(c.pending["u"]["/a"]), fsm.MostChanges)
	}
	body, paths := c.next("u")
	require.Contains(t, string(body), `"index":3001`)
	require.Contains(t, string(body), `"/a":{"op":"set"}`)
	require.Equal(t, []string{"/a"}, paths)
	body, _ = c.next("u")
	require.Nil(t, body)
	require.Empty(t, c.busy)
}
