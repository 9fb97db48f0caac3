package gate

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"stasis/internal/apierror"
	"stasis/internal/bubbles"
)

func enterAs(t testing.TB, g *Gate, e Entry) (leave func()) {
	t.Helper()
	leave, err := g.EnterAs(t.Context(), e)
	require.NoError(t, err)
	return leave
}

func in(mode Mode, attempt uint64) Claim {
	return Claim{ID: "b-1", Nonce: "a", Attempt: attempt, Mode: mode, Window: time.Second, Lease: time.Minute}
}

func granted(l *Lock) bool {
	synctest.Wait()
	select {
	case <-l.Granted():
		return true
	default:
		return false
	}
}

// An open transaction is in the way of a lock in mode transactions, and not of one in mode commits.
func TestOpenTransactionsAndModes(t *testing.T) {
	bubbles.Test(t, func(t *testing.T) {
		g := New(nil)
		leave := enterAs(t, g, Entry{Class: Open, Who: "trx 7 of CRDN-1", Begun: time.Now().Add(-2 * time.Second)})
		time.Sleep(12 * time.Second)
		l, err := g.Lock(in(Transactions, 1))
		require.NoError(t, err)
		require.False(t, granted(l), "it is granted with an open transaction inside")
		<-l.Ended()
		require.ErrorIs(t, l.Err(), apierror.LockTimeout)
		require.ErrorContains(t, l.Err(), "gate not granted within 1s: 1 transactions still open: trx 7 of CRDN-1, which began 15s ago, open for 13s")

		l, err = g.Lock(in(Commits, 2))
		require.NoError(t, err)
		require.True(t, granted(l), "an open transaction is in the way in mode commits")
		other := enterAs(t, g, Entry{Class: Open})
		r := g.Release("a", 2)
		require.True(t, r.Unbroken)
		require.Equal(t, Commits, r.Mode)
		require.Equal(t, 1, r.Open, "at the grant")
		require.Zero(t, r.Writers, "transactions begin while it holds")
		leave()
		other()

		l, err = g.Lock(in(Transactions, 3))
		require.NoError(t, err)
		require.True(t, granted(l))
		require.Equal(t, Transactions, g.Release("a", 3).Mode)
	})
}

// What commits is in the way of both modes, and both hold it up.
func TestCommittingAndModes(t *testing.T) {
	for _, mode := range []Mode{Transactions, Commits} {
		t.Run(string(mode), func(t *testing.T) {
			bubbles.Test(t, func(t *testing.T) {
				g := New(nil)
				leave := enterAs(t, g, Entry{Class: Committing, Who: "trx 7"})
				l, err := g.Lock(in(mode, 1))
				require.NoError(t, err)
				require.False(t, granted(l))
				entered := make(chan func())
				go func() { entered <- enterAs(t, g, Entry{Class: Committing}) }()
				time.Sleep(100 * time.Millisecond)
				leave()
				require.True(t, granted(l))
				time.Sleep(200 * time.Millisecond)
				r := g.Release("a", 1)
				(<-entered)()
				require.Equal(t, Waits{Count: 1, Sum: 300 * time.Millisecond, Longest: 300 * time.Millisecond}, r.Waited[Committing])
				require.Zero(t, r.Waited[Writer])
				require.Equal(t, 300*time.Millisecond, r.DeadLongest)
				require.Equal(t, 1, r.Writers)
			})
		})
	}
}

// A transaction that is inside as open may commit while a lock in mode transactions waits for it: otherwise each would wait
// for the other until the window ends. In mode commits the lock does not wait for it, and it waits for the lock.
func TestOpenTransactionCommitsUnderAWaitingLock(t *testing.T) {
	bubbles.Test(t, func(t *testing.T) {
		g := New(nil)
		opened := enterAs(t, g, Entry{Class: Open})
		l, err := g.Lock(in(Transactions, 1))
		require.NoError(t, err)
		commit := enterAs(t, g, Entry{Class: Committing, Opened: true})
		opened()
		require.False(t, granted(l), "it is granted with a transaction that commits")
		commit()
		require.True(t, granted(l))
		g.Release("a", 1)

		writing := enter(t, g)
		opened = enterAs(t, g, Entry{Class: Open})
		l, err = g.Lock(in(Commits, 2))
		require.NoError(t, err)
		committed := make(chan struct{})
		go func() {
			enterAs(t, g, Entry{Class: Committing, Opened: true})()
			close(committed)
		}()
		writing()
		require.True(t, granted(l), "what is open is let in to commit, again and again")
		g.Release("a", 2)
		<-committed
		opened()
	})
}

// What commits at several servers does not wait at one gate while it is inside another: it is refused at once, by the name of the
// backup. What a lock in mode transactions waits for goes on, also at a server where it has not written yet.
func TestTryEnterDoesNotWait(t *testing.T) {
	bubbles.Test(t, func(t *testing.T) {
		g := New(nil)
		try := func(e Entry) error {
			leave, err := g.TryEnterAs(e)
			if err == nil {
				leave()
			}
			return err
		}
		require.NoError(t, try(Entry{Class: Committing}))
		writing := enter(t, g)
		for n, mode := range []Mode{Transactions, Commits} {
			l, err := g.Lock(in(mode, uint64(n+1)))
			require.NoError(t, err)
			require.False(t, granted(l))
			err = try(Entry{Class: Committing})
			require.ErrorIs(t, err, apierror.GateClosed, mode)
			require.Equal(t, "b-1", apierror.From(err).Extra["backup"])
			err = try(Entry{Class: Committing, Opened: true})
			require.Equal(t, mode == Transactions, err == nil, "%s: %v", mode, err)
			g.Release("a", uint64(n+1))
		}
		writing()
		l, err := g.Lock(in(Transactions, 3))
		require.NoError(t, err)
		require.True(t, granted(l))
		require.ErrorIs(t, try(Entry{Class: Committing, Opened: true}), apierror.GateClosed, "it is let in while a backup makes its cut")
		require.Zero(t, g.Release("a", 3).Writers, "none has waited")
		require.Zero(t, g.inside)
	})
}

// A write whose client does not wait for a backup is refused when its time is over, with the backup's id. It was not
// inside.
func TestImpatientWriteIsRefused(t *testing.T) {
	bubbles.Test(t, func(t *testing.T) {
		g := New(nil)
		l, err := g.Lock(in(Transactions, 1))
		require.NoError(t, err)
		require.True(t, granted(l))
		begun := time.Now()
		_, err = g.EnterAs(t.Context(), Entry{Until: begun.Add(300 * time.Millisecond)})
		require.ErrorIs(t, err, apierror.GateClosed)
		require.ErrorContains(t, err, "backup b-1 holds up writes")
		require.Equal(t, 503, apierror.From(err).Status())
		require.Equal(t, "b-1", apierror.From(err).Extra["backup"])
		require.Equal(t, 300*time.Millisecond, time.Since(begun))
		_, err = g.EnterAs(t.Context(), Entry{Until: begun})
		require.ErrorIs(t, err, apierror.GateClosed, "its time was over before")

		entered := make(chan error)
		go func() {
			leave, err := g.EnterAs(t.Context(), Entry{Until: time.Now().Add(time.Second)})
			if err == nil {
				leave()
			}
			entered <- err
		}()
		time.Sleep(500 * time.Millisecond)
		r := g.Release("a", 1)
		require.NoError(t, <-entered, "who is let in in time is inside")
		require.Equal(t, 3, r.Writers, "who gave up has waited, too")
		require.Zero(t, g.inside)

		ended, cancel := context.WithCancel(t.Context())
		cancel()
		_, err = g.Lock(in(Transactions, 2))
		require.NoError(t, err)
		_, err = g.EnterAs(ended, Entry{Until: time.Now().Add(time.Second)})
		require.ErrorIs(t, err, context.Canceled, "its client has gone")
	})
}

// Those in the way are named, the oldest first, and not too many of them.
func TestWhoIsInTheWay(t *testing.T) {
	bubbles.Test(t, func(t *testing.T) {
		g := New(nil)
		for i := range 5 {
			enterAs(t, g, Entry{Class: Open, Who: fmt.Sprint("trx ", i)})
			time.Sleep(time.Second)
		}
		enter(t, g)
		enterAs(t, g, Entry{Class: Committing, Who: "trx 9"})
		ends := func(mode Mode, attempt uint64) string {
			l, err := g.Lock(in(mode, attempt))
			require.NoError(t, err)
			<-l.Ended()
			return l.Err().Error()
		}
		require.Equal(t, "gate not granted within 1s: 1 transactions still commit, 1 writers still inside, 5 transactions still open: "+
			"trx 0, open for 6s; trx 1, open for 5s; trx 2, open for 4s; and 3 more", ends(Transactions, 1))
		require.Equal(t, "gate not granted within 1s: 1 transactions still commit, 1 writers still inside: trx 9, committing for 2s", ends(Commits, 2))
	})
}

// Writers, transactions that commit, and open ones go on beside a stream of locks in both modes, and all locks in mode
// commits are granted although transactions are always open.
func TestNothingStarves(t *testing.T) {
	bubbles.Test(t, func(t *testing.T) {
		g := New(nil)
		ctx, stop := context.WithTimeout(t.Context(), 30*time.Second)
		defer stop()
		var work sync.WaitGroup
		var done [classes]int
		var mu sync.Mutex
		for i := range 24 {
			e, random := Entry{Class: Class(i % classes)}, rand.New(rand.NewPCG(uint64(i), 1))
			longest := []time.Duration{5 * time.Millisecond, 20 * time.Millisecond, 700 * time.Millisecond}[e.Class]
			work.Go(func() {
				for ctx.Err() == nil {
					leave, err := g.EnterAs(ctx, e)
					if err != nil {
						return // the time is over
					}
					time.Sleep(time.Duration(random.Int64N(int64(longest))))
					leave()
					mu.Lock()
					done[e.Class]++
					mu.Unlock()
				}
			})
		}
		tried, got := map[Mode]int{}, map[Mode]int{}
		for n := uint64(1); ctx.Err() == nil; n++ {
			mode := []Mode{Transactions, Commits}[n%2]
			c := in(mode, n)
			c.Window = 500 * time.Millisecond
			l, err := g.Lock(c)
			require.NoError(t, err)
			tried[mode]++
			select {
			case <-l.Granted():
				got[mode]++
				time.Sleep(time.Millisecond)
			case <-l.Ended():
			}
			require.Equal(t, l.Err() == nil, g.Release("a", n).Unbroken)
		}
		work.Wait()
		t.Log(done, tried, got)
		require.Equal(t, tried[Commits], got[Commits], "open transactions are in the way")
		require.Positive(t, got[Transactions])
		for c, n := range done {
			require.Greater(t, n, 100, "class %d", c)
		}
		require.Zero(t, g.inside)
		require.Empty(t, g.queue)
		require.Empty(t, g.guests)
	})
}
