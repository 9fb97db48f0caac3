package gate

import (
	"context"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stasis/internal/apierror"
	"stasis/internal/bubbles"
)

// enterAll enters all gates or none, as a transaction that commits on several servers does.
func enterAll(ctx context.Context, gates []*Gate) (leave func(), err error) {
	e := Entry{Class: Committing}
	for waited := -1; ; {
		var inside []func()
		out := func() {
			for _, l := range inside {
				l()
			}
		}
		if waited >= 0 { // it is inside nothing else
			l, err := gates[waited].EnterAs(ctx, e)
			if err != nil {
				return nil, err
			}
			inside = append(inside, l)
		}
		closed := -1
		for i, g := range gates {
			if i == waited {
				continue
			}
			l, err := g.TryEnter(e)
			if err != nil {
				closed = i
				break
			}
			inside = append(inside, l)
		}
		if closed < 0 {
			return out, nil
		}
		out()
		waited = closed
	}
}

// holdAll has an attempt hold all gates at once, as a create does, and says whether it did.
func holdAll(t *testing.T, gates []*Gate, attempt uint64) (held bool) {
	held = true
	locks := make([]*Lock, len(gates))
	for i, g := range gates {
		var err error
		locks[i], err = g.Lock(in(Commits, attempt))
		require.NoError(t, err)
		time.Sleep(3 * time.Millisecond) // requests do not arrive at once
	}
	for _, l := range locks {
		select {
		case <-l.Granted():
		case <-l.Ended():
			held = false
		}
	}
	for _, g := range gates {
		require.Equal(t, held, g.Release("a", attempt).Unbroken)
	}
	return held
}

// A transaction that waits at no gate while it is inside another keeps no backup waiting: with 32 clients whose
// transactions write on two servers each attempt to hold all gates succeeds at once, and the clients go on.
func TestGatesAreEnteredAllOrNone(t *testing.T) {
	bubbles.Test(t, func(t *testing.T) {
		gates := []*Gate{New(nil), New(nil), New(nil)}
		ctx, stop := context.WithCancel(t.Context())
		var clients sync.WaitGroup
		done := make([]int, 32)
		for i := range done {
			clients.Go(func() {
				random := rand.New(rand.NewPCG(uint64(i), 7))
				for ctx.Err() == nil {
					order := random.Perm(len(gates))
					leave, err := enterAll(ctx, []*Gate{gates[order[0]], gates[order[1]]})
					if err != nil {
						return // the test is over
					}
					time.Sleep(time.Duration(1+random.IntN(5)) * time.Millisecond)
					leave()
					done[i]++
					time.Sleep(time.Duration(random.IntN(1000)) * time.Microsecond)
				}
			})
		}
		for attempt := range uint64(200) {
			time.Sleep(20 * time.Millisecond)
			begun := time.Now()
			require.True(t, holdAll(t, gates, attempt+1), "attempt %d", attempt+1)
			require.Less(t, time.Since(begun), 20*time.Millisecond, "longer than all that were inside")
		}
		stop()
		clients.Wait()
		for i, n := range done {
			require.Greater(t, n, 100, "client %d", i)
		}
		for _, g := range gates {
			require.Zero(t, g.inside)
		}
	})
}

// A closed gate is told at once, with the backup's id, and nothing is inside.
func TestTryEnterDoesNotWait(t *testing.T) {
	bubbles.Test(t, func(t *testing.T) {
		g := New(nil)
		leave, err := g.TryEnter(Entry{Class: Committing})
		require.NoError(t, err)
		l, err := g.Lock(in(Commits, 1))
		require.NoError(t, err)
		begun := time.Now()
		_, err = g.TryEnter(Entry{Class: Committing})
		require.ErrorIs(t, err, apierror.GateClosed)
		require.Equal(t, "b-1", apierror.From(err).Extra["backup"])
		require.Zero(t, time.Since(begun))
		opened, err := g.TryEnter(Entry{Class: Open})
		require.NoError(t, err, "what is open goes on")
		leave()
		require.True(t, granted(l), "who was refused is not inside")
		r := g.Release("a", 1)
		require.Zero(t, r.Writers, "who was refused has not waited")
		opened()
	})
}
