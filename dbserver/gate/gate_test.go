package gate

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"stasis/internal/apierror"
	"stasis/internal/bubbles"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func enter(t testing.TB, g *Gate) (leave func()) {
	t.Helper()
	leave, err := g.Enter(t.Context())
	require.NoError(t, err)
	return leave
}

// lock is a claim without beats that waits until it is granted or refused, or until ctx
// ends. Each is another attempt.
func lock(g *Gate, ctx context.Context, nonce string, window, lease time.Duration) (waited time.Duration, err error) {
	begun := time.Now()
	l, err := g.Lock(Claim{Nonce: nonce, Attempt: attempts.Add(1), Window: window, Lease: lease})
	if err != nil {
		return 0, err
	}
	select {
	case <-l.Granted():
		return l.Waited(), nil
	case <-l.Ended():
	case <-ctx.Done():
		l.Break("its request ended")
		<-l.Ended()
		return time.Since(begun), ctx.Err()
	}
	return time.Since(begun), l.Err()
}

var attempts atomic.Uint64

// newest is the newest attempt of a nonce.
func newest(g *Gate, nonce string) uint64 {
	g.mu.Lock()
	defer g.mu.Unlock()
	if b := g.evidence.of(nonce); b != nil {
		return b.attempt
	}
	return 0
}

func release(g *Gate, nonce string) Report { return g.Release(nonce, newest(g, nonce)) }

func check(g *Gate, nonce string) error { return g.Check(nonce, newest(g, nonce)) }

func TestLockOnAnIdleGate(t *testing.T) {
	bubbles.Test(t, func(t *testing.T) {
		g := New(nil)
		require.ErrorIs(t, check(g, "a"), apierror.GateLost)
		waited, err := lock(g, t.Context(), "a", time.Second, time.Minute)
		require.NoError(t, err)
		require.Zero(t, waited)
		require.NoError(t, check(g, "a"))
		require.ErrorIs(t, check(g, "b"), apierror.GateLost)
		_, err = g.Lock(Claim{Nonce: "a", Attempt: newest(g, "a"), Window: time.Second, Lease: time.Minute})
		require.ErrorIs(t, err, apierror.GateLost, "this attempt was here before")
		time.Sleep(3 * time.Second)
		r := release(g, "a")
		require.True(t, r.Unbroken)
		require.Equal(t, 3*time.Second, r.Held)
		require.Equal(t, r, release(g, "a"), "asked again, the same report")
		require.ErrorIs(t, check(g, "a"), apierror.GateLost)
		enter(t, g)()
	})
}

// A writer inside holds the lock up for as long as it is inside, to the instant.
func TestLockWaitsForTheWriterInside(t *testing.T) {
	bubbles.Test(t, func(t *testing.T) {
		g := New(nil)
		leave := enter(t, g)
		time.AfterFunc(7*time.Second, leave)
		waited, err := lock(g, t.Context(), "a", 10*time.Second, time.Minute)
		require.NoError(t, err)
		require.Equal(t, 7*time.Second, waited, "the gate is granted with a writer inside")
		leave() // again: harmless
		require.NoError(t, check(g, "a"))
		require.True(t, release(g, "a").Unbroken)
	})
}

// When the window ends the queued writers go on at once, and their dead time is
// exactly the window's rest.
func TestWindowEndLetsWritersGoOn(t *testing.T) {
	bubbles.Test(t, func(t *testing.T) {
		g := New(nil)
		leave := enter(t, g)
		var entered sync.WaitGroup
		for i := range 3 {
			entered.Go(func() {
				time.Sleep(time.Duration(i) * 100 * time.Millisecond)
				begun := time.Now()
				enter(t, g)()
				require.Equal(t, 500*time.Millisecond-time.Duration(i)*100*time.Millisecond, time.Since(begun))
			})
		}
		time.Sleep(0)
		begun := time.Now()
		waited, err := lock(g, t.Context(), "a", 500*time.Millisecond, time.Minute)
		require.ErrorIs(t, err, apierror.LockTimeout)
		require.ErrorContains(t, err, "1 writers still inside")
		require.Equal(t, 500*time.Millisecond, waited)
		require.Equal(t, 500*time.Millisecond, time.Since(begun))
		entered.Wait()
		require.Equal(t, 500*time.Millisecond, time.Since(begun), "the writers went on at once")
		leave()

		// A second attempt under the same nonce succeeds; the report has both.
		_, err = lock(g, t.Context(), "a", 500*time.Millisecond, time.Minute)
		require.NoError(t, err)
		entered.Go(func() { enter(t, g)() })
		time.Sleep(2 * time.Second)
		synctest.Wait()
		r := release(g, "a")
		entered.Wait()
		require.True(t, r.Unbroken)
		require.Equal(t, 4, r.Writers)
		require.Equal(t, 2*time.Second, r.DeadLongest)
		require.Equal(t, 500*time.Millisecond+400*time.Millisecond+300*time.Millisecond+2*time.Second, r.DeadSum)

		_, err = lock(g, t.Context(), "a", time.Second, time.Minute)
		require.NoError(t, err)
		require.Zero(t, release(g, "a").Writers, "a release ends the count")
	})
}

// The lease opens the gate by itself, exactly when it ends, and is remembered.
func TestLeaseEndOpensAndIsRemembered(t *testing.T) {
	bubbles.Test(t, func(t *testing.T) {
		g := New(nil)
		_, err := lock(g, t.Context(), "a", time.Second, 5*time.Second)
		require.NoError(t, err)
		begun := time.Now()
		enter(t, g)()
		require.Equal(t, 5*time.Second, time.Since(begun))
		require.ErrorIs(t, check(g, "a"), apierror.GateLost)
		require.ErrorContains(t, check(g, "a"), "lease", "the break is not told")

		first := newest(g, "a")
		r := g.Release("a", first)
		require.False(t, r.Unbroken)
		require.Contains(t, r.Reason, "lease")
		require.Equal(t, 1, r.Writers)

		// The next attempt has its own evidence, and does not mend that of the first.
		_, err = lock(g, t.Context(), "a", time.Second, 5*time.Second)
		require.NoError(t, err)
		require.False(t, g.Release("a", first).Unbroken)
		require.NoError(t, check(g, "a"), "a late release changes nothing")
		require.ErrorIs(t, g.Check("a", first), apierror.GateLost)
		require.True(t, release(g, "a").Unbroken)
	})
}

func TestReleaseByAnotherNonceDoesNothing(t *testing.T) {
	bubbles.Test(t, func(t *testing.T) {
		g := New(nil)
		_, err := lock(g, t.Context(), "a", time.Second, time.Minute)
		require.NoError(t, err)
		r := release(g, "b")
		require.False(t, r.Unbroken)
		require.NotEmpty(t, r.Reason)
		require.NoError(t, check(g, "a"))
		require.True(t, release(g, "a").Unbroken)
	})
}

// Release takes a nonce out of the line; its call answers at once.
func TestReleaseWhileWaiting(t *testing.T) {
	bubbles.Test(t, func(t *testing.T) {
		g := New(nil)
		leave := enter(t, g)
		result := make(chan error, 2)
		for _, nonce := range []string{"a", "b"} {
			go func() {
				_, err := lock(g, t.Context(), nonce, time.Hour, time.Minute)
				result <- err
			}()
			synctest.Wait()
		}
		for _, nonce := range []string{"b", "a"} {
			r := release(g, nonce)
			require.False(t, r.Unbroken)
			require.ErrorIs(t, <-result, apierror.GateLost)
		}
		enter(t, g)()
		leave()
	})
}

// Locks are served in order; writers that queued behind one are inside before the
// next, which has to wait for them.
func TestNoncesInOrderWithWritersBetween(t *testing.T) {
	bubbles.Test(t, func(t *testing.T) {
		g := New(nil)
		var order []string
		var work sync.WaitGroup
		for i, nonce := range []string{"a", "b", "c"} {
			work.Go(func() {
				time.Sleep(time.Duration(i) * time.Millisecond)
				_, err := lock(g, t.Context(), nonce, time.Hour, time.Minute)
				require.NoError(t, err)
				order = append(order, nonce)
				time.Sleep(time.Second)
				require.True(t, release(g, nonce).Unbroken)
			})
		}
		work.Go(func() {
			time.Sleep(500 * time.Millisecond) // a holds, b and c wait
			leave := enter(t, g)
			require.Equal(t, []string{"a"}, order)
			time.Sleep(time.Second)
			require.Equal(t, []string{"a"}, order, "b waits for the writer")
			leave()
		})
		work.Wait()
		require.Equal(t, []string{"a", "b", "c"}, order)
	})
}

func TestAnotherNonceWaitsWithinItsWindow(t *testing.T) {
	bubbles.Test(t, func(t *testing.T) {
		g := New(nil)
		_, err := lock(g, t.Context(), "a", time.Second, time.Minute)
		require.NoError(t, err)
		waited, err := lock(g, t.Context(), "b", 2*time.Second, time.Minute)
		require.ErrorIs(t, err, apierror.LockTimeout)
		require.Equal(t, 2*time.Second, waited)
		require.NoError(t, check(g, "a"))
		release(g, "a")
	})
}

// A writer whose context ends leaves the queue without a trace but its dead time.
func TestCancelledWriter(t *testing.T) {
	bubbles.Test(t, func(t *testing.T) {
		g := New(nil)
		_, err := lock(g, t.Context(), "a", time.Second, time.Minute)
		require.NoError(t, err)
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		leave, err := g.Enter(ctx)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Nil(t, leave)
		r := release(g, "a")
		require.Equal(t, 3*time.Second, r.DeadSum)
		_, err = lock(g, t.Context(), "b", 0, time.Minute)
		require.NoError(t, err, "no writer is counted as inside")
		release(g, "b")
	})
}

func TestCancelledLock(t *testing.T) {
	bubbles.Test(t, func(t *testing.T) {
		g := New(nil)
		leave := enter(t, g)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		waited, err := lock(g, ctx, "a", time.Hour, time.Minute)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Equal(t, time.Second, waited)
		enter(t, g)()
		leave()
	})
}

// Nonces that never release are forgotten in the end; those in use are not.
func TestForgottenNonces(t *testing.T) {
	bubbles.Test(t, func(t *testing.T) {
		g := New(nil)
		name := func(i int) string { return string(rune('A' + i)) }
		for i := range 3 * keepNonces {
			_, err := lock(g, t.Context(), name(i), 0, time.Second)
			require.NoError(t, err)
			if i == 3*keepNonces-1 {
				break
			}
			time.Sleep(2 * time.Second)
		}
		require.Len(t, g.evidence.byNonce, keepNonces)
		require.False(t, release(g, name(0)).Unbroken)
		require.True(t, release(g, name(3*keepNonces-1)).Unbroken)
	})
}

// The report of an attempt whose lock has not come has nothing of the hold before it.
func TestReleaseOfAnAttemptThatHasNotCome(t *testing.T) {
	g := New(nil)
	_, err := g.Lock(Claim{Nonce: "a", Attempt: 1, Window: time.Second, Lease: time.Minute})
	require.NoError(t, err)
	require.False(t, g.Release("a", 1).ReleasedAt.IsZero())
	require.Equal(t, Report{Attempt: 2, Reason: "never granted"}, g.Release("a", 2))
}

// Under load no writer is ever inside together with a holder whose hold was unbroken.
func TestExclusionUnderLoad(t *testing.T) {
	g := New(nil)
	var inside, exclusive, violations atomic.Int64
	var work sync.WaitGroup
	for range 8 {
		work.Go(func() {
			for range 2000 {
				leave, err := g.Enter(context.Background())
				if err != nil {
					panic(err)
				}
				inside.Add(1)
				if exclusive.Load() != 0 {
					violations.Add(1)
				}
				inside.Add(-1)
				leave()
			}
		})
	}
	var held atomic.Int64
	for i := range 3 {
		work.Go(func() {
			rng := rand.New(rand.NewPCG(uint64(i), 1))
			nonce := string(rune('a' + i))
			for range 100 {
				if _, err := lock(g, context.Background(), nonce, time.Duration(rng.IntN(2000))*time.Microsecond, time.Hour); err != nil {
					continue
				}
				held.Add(1)
				exclusive.Add(1)
				if inside.Load() != 0 {
					violations.Add(1)
				}
				exclusive.Add(-1)
				if !release(g, nonce).Unbroken {
					violations.Add(1)
				}
			}
		})
	}
	work.Wait()
	require.Zero(t, violations.Load())
	require.Positive(t, held.Load())
	require.Zero(t, g.inside[Writer])
	require.Nil(t, g.turn)
}

func BenchmarkEnter(b *testing.B) {
	g := New(nil)
	b.ReportAllocs()
	for b.Loop() {
		leave, _ := g.Enter(b.Context())
		leave()
	}
}

func BenchmarkEnterParallel(b *testing.B) {
	g := New(nil)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			leave, _ := g.Enter(b.Context())
			leave()
		}
	})
}

// A lock that arrives after its nonce was given up is refused, whether the nonce was
// known before or not; others are served.
func TestLockAfterItWasGivenUp(t *testing.T) {
	g := New(nil)
	_, err := lock(g, t.Context(), "known", time.Second, time.Minute)
	require.NoError(t, err)
	require.True(t, g.GiveUp("known").Unbroken)
	require.True(t, g.GiveUp("known").Unbroken, "the report stays the same")
	require.NotEmpty(t, g.GiveUp("unknown").Reason)
	for _, nonce := range []string{"known", "unknown"} {
		_, err := lock(g, t.Context(), nonce, time.Second, time.Minute)
		require.ErrorIs(t, err, apierror.GateLost, nonce)
		require.ErrorIs(t, check(g, nonce), apierror.GateLost)
	}
	enter(t, g)()
	_, err = lock(g, t.Context(), "other", time.Second, time.Minute)
	require.NoError(t, err)
	release(g, "other")
	for n := range 2 * keepNonces { // they take no more room than others
		g.GiveUp(fmt.Sprint(n))
	}
	require.Len(t, g.evidence.byNonce, keepNonces)
}
