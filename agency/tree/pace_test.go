package tree

import (
	"testing"
	"time"

	"github.com/hashicorp/raft"
	"github.com/stretchr/testify/require"

	"stasis/fsm"
	"stasis/internal/bubbles"
)

// After a leader whose clock was hours ahead, what is to expire does so after its time to live, with no change of the
// tree, on agents whose clocks are right.
func TestTimeGoesOnAfterALeaderWhoseClockWasAhead(t *testing.T) {
	bubbles.Test(t, func(t *testing.T) {
		ahead := time.Now().Add(5 * time.Hour).UnixMilli()
		r := New(Config{KeepLog: 10})
		require.Equal(t, time.Now().UnixMilli(), r.Now(), "an empty tree has no time")
		put := func(index uint64, ms int64, text string) {
			tx, err := fsm.ParseTransaction([]byte(text))
			require.NoError(t, err)
			entry := fsm.Command{Time: ms, Transactions: []fsm.Transaction{tx}}.Encode()
			require.IsType(t, Applied{}, r.Apply(&raft.Log{Index: index, Data: entry}))
		}
		put(1, ahead, `[{"x":1}]`)
		require.Equal(t, ahead, r.Now(), "the tree's time does not go back")
		time.Sleep(time.Second)
		put(2, r.Now(), `[{"y":{"op":"set","new":1,"ttl":60}}]`)
		shows := func() bool { return r.Present(r.State()).Root().At("/y").Exists() }
		time.Sleep(59 * time.Second)
		require.True(t, shows())
		time.Sleep(time.Second)
		require.False(t, shows(), "it has lived for its time")
	})
}

// Commands that come one after the other, each as long after its time was read as writing and replicating it takes, do not hold
// up time.
func TestTimeGoesOnUnderLoad(t *testing.T) {
	bubbles.Test(t, func(t *testing.T) {
		r := New(Config{KeepLog: 10})
		put := func(index uint64, ms int64) {
			entry := fsm.Command{Time: ms, Transactions: nil}.Encode()
			require.IsType(t, Applied{}, r.Apply(&raft.Log{Index: index, Data: entry}))
		}
		began, ahead := time.Now(), time.Now().Add(5*time.Hour).UnixMilli()
		put(1, ahead)
		for n := range uint64(100) {
			ms := r.Now()
			time.Sleep(100 * time.Millisecond)
			put(2+n, ms)
		}
		require.Equal(t, ahead+time.Since(began).Milliseconds(), r.Now())
	})
}

func TestWallClockOfAnAgent(t *testing.T) {
	bubbles.Test(t, func(t *testing.T) {
		off := time.Hour
		r := New(Config{KeepLog: 10, Wall: func() time.Time { return time.Now().Add(off) }})
		require.Equal(t, time.Now().Add(time.Hour).UnixMilli(), r.Now())
		off = -time.Hour
		require.Equal(t, time.Now().Add(-time.Hour).UnixMilli(), r.Now())
	})
}
