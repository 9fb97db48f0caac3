package leadership

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/raft"
	"github.com/stretchr/testify/require"

	"stasis/agency/outcome"
	"stasis/internal/bubbles"
)

// barrier is the future of a barrier that ends with a channel.
type barrier struct{ passed chan error }

func (b barrier) Error() error  { return <-b.passed }
func (b barrier) Index() uint64 { return 7 }

// leader is a Raft that leads, and whose barriers a test lets pass.
type leader struct {
	term     uint64
	state    raft.RaftState
	barriers chan barrier
}

func (l *leader) State() raft.RaftState { return l.state }
func (l *leader) CurrentTerm() uint64   { return l.term }
func (l *leader) Barrier(time.Duration) raft.Future {
	b := barrier{make(chan error, 1)}
	l.barriers <- b
	return b
}

// TestLeadershipsDoNotOverlap: a leadership serves after its barrier, and not before the duties of
// the one before have ended.
func TestLeadershipsDoNotOverlap(t *testing.T) {
	bubbles.Test(t, func(t *testing.T) {
		running, stop := context.WithCancel(t.Context())
		r := &leader{term: 1, state: raft.Leader, barriers: make(chan barrier, 9)}
		duties, reached := make(chan uint64, 9), make(chan uint64, 9)
		linger := make(chan struct{})
		k := New(running, r, Options{
			Duties: func(l *Leadership) {
				duties <- l.Term
				<-l.Lost()
				if l.Term == 1 {
					<-linger
				}
			},
			Reached: func(index uint64) { reached <- index }, TransientBytes: 1 << 20, Now: func() int64 { return 0 }, Pause: time.Second, Logger: hclog.NewNullLogger(),
		})
		serving := func() error {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			_, err := k.Serving(ctx)
			return err
		}
		require.ErrorIs(t, serving(), outcome.ErrNotLeader)

		k.Begin()
		require.ErrorIs(t, serving(), outcome.ErrNotLeader, "it serves before its barrier")
		require.False(t, k.Leads())
		first := k.Current()
		(<-r.barriers).passed <- raft.ErrLeadershipTransferInProgress // tried again
		(<-r.barriers).passed <- nil
		require.NoError(t, serving())
		require.True(t, k.Leads())
		require.EqualValues(t, 7, <-reached)
		require.EqualValues(t, 1, <-duties)

		k.End()
		require.False(t, first.Lasts())
		require.Nil(t, k.Current())
		r.term = 2
		k.Begin()
		synctest.Wait()
		require.Empty(t, r.barriers, "the next leadership begins while the one before has duties")
		close(linger)
		(<-r.barriers).passed <- nil
		require.NoError(t, serving())
		require.EqualValues(t, 2, <-duties)
		require.NotSame(t, first.Transient, k.Current().Transient, "the transient tree outlives its leadership")

		k.End()
		r.term = 3
		k.Begin()
		(<-r.barriers).passed <- raft.ErrLeadershipLost
		k.Rest()
		require.ErrorIs(t, serving(), outcome.ErrNotLeader)
		stop()
		require.ErrorIs(t, serving(), outcome.ErrClosed)
		k.Wait()
		require.Empty(t, duties)
	})
}
