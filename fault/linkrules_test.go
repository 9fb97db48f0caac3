package fault_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"stasis/fault"
	"stasis/internal/bubbles"
	"stasis/internal/network"
)

func TestDelayIsExactAndOneWay(t *testing.T) {
	play(t, func(s scene) {
		s.m.Delay("a", "b", 70*time.Millisecond)
		s.send(s.a, "there")
		s.expect(s.b, "there", 70*time.Millisecond)
		s.send(s.b, "back")
		s.expect(s.a, "back", 0)

		took, err := s.dial(time.Second)
		require.NoError(s, err)
		require.Equal(s, 70*time.Millisecond, took, "a handshake is one round trip")
	})
}

// What has been sent keeps its order when the delay shrinks.
func TestDelayNeverReorders(t *testing.T) {
	play(t, func(s scene) {
		s.m.Delay("a", "b", time.Second)
		s.send(s.a, "first")
		s.m.Delay("a", "b", 0)
		s.send(s.a, "second")
		require.NoError(s, s.a.Close())
		s.send(s.b, "the end has not come yet")
		s.expect(s.b, "firstsecond", time.Second)
		_, err := s.b.Write([]byte("now it has"))
		require.ErrorIs(s, err, syscall.EPIPE)
	})
}

func TestThrottleIsExactAndShared(t *testing.T) {
	play(t, func(s scene) {
		s.m.Throttle("a", "b", 1000)
		s.send(s.a, string(make([]byte, 100)))
		s.expect(s.b, string(make([]byte, 100)), 100*time.Millisecond)

		a2, b2 := dialTo(s.T, s.m.Host("a"), s.l)
		s.send(s.a, string(make([]byte, 500)))
		s.send(a2, "x") // behind the other connection's bytes
		s.expect(b2, "x", 501*time.Millisecond)
		s.m.Throttle("a", "b", 0)
		s.expect(s.b, string(make([]byte, 500)), 0)
		s.send(s.a, "fast")
		s.expect(s.b, "fast", 0)
	})
}

// A throttled link delivers as it goes, not all at the end.
func TestThrottleStreams(t *testing.T) {
	play(t, func(s scene) {
		s.m.Throttle("a", "b", fault.SegmentBytes)
		s.send(s.a, string(make([]byte, 3*fault.SegmentBytes)))
		for range 3 {
			s.expect(s.b, string(make([]byte, fault.SegmentBytes)), time.Second)
		}
	})
}

func TestCutHoldsBackUntilHealed(t *testing.T) {
	play(t, func(s scene) {
		s.m.Delay("a", "b", 10*time.Millisecond)
		s.send(s.a, "in flight")
		s.m.Cut("a", "b")
		s.send(s.a, ", sent later")
		s.silence(s.b, time.Minute)
		s.send(s.b, "the other way works")
		s.expect(s.a, "the other way works", 0)
		time.AfterFunc(time.Second, func() { s.m.Heal("a", "b") })
		s.expect(s.b, "in flight, sent later", time.Second+10*time.Millisecond)
	})
}

func TestWhatHadArrivedOutlivesTheCut(t *testing.T) {
	play(t, func(s scene) {
		s.send(s.a, "early")
		s.m.Isolate("a")
		s.expect(s.b, "early", 0)
		s.silence(s.b, time.Second)
	})
}

// Over a cut link the peer does not learn of a closing.
func TestCutHoldsBackTheEnd(t *testing.T) {
	play(t, func(s scene) {
		s.m.Cut("a", "b")
		require.NoError(s, s.a.Close())
		s.silence(s.b, time.Hour)
		s.send(s.b, "anyone there?")
		s.m.Heal("a", "b")
		_, err := s.b.Read(make([]byte, 1))
		require.Equal(s, io.EOF, err)
		_, err = s.b.Write([]byte("anyone there?"))
		require.ErrorIs(s, err, syscall.EPIPE)
	})
}

// A handshake needs both directions, and goes on when the link heals.
func TestDialOverCut(t *testing.T) {
	for _, cut := range [][2]string{{"a", "b"}, {"b", "a"}} {
		play(t, func(s scene) {
			s.m.Cut(cut[0], cut[1])
			took, err := s.dial(3 * time.Second)
			require.ErrorIs(s, err, context.DeadlineExceeded)
			var timeout net.Error
			require.ErrorAs(s, err, &timeout)
			require.True(s, timeout.Timeout())
			require.Equal(s, 3*time.Second, took)

			time.AfterFunc(time.Second, func() { s.m.Heal(cut[0], cut[1]) })
			took, err = s.dial(3 * time.Second)
			require.NoError(s, err)
			require.Equal(s, time.Second, took)
		})
	}
}

func TestIsolateAndRejoin(t *testing.T) {
	play(t, func(s scene) {
		own, err := s.m.Host("a").Listen("a:1")
		require.NoError(s, err)
		s.m.Isolate("a")
		s.send(s.a, "out")
		s.send(s.b, "in")
		s.silence(s.a, time.Second)
		s.silence(s.b, time.Second)
		_, err = s.dial(time.Second)
		require.ErrorIs(s, err, context.DeadlineExceeded)
		c, _ := dialTo(s.T, s.m.Host("a"), own) // a host reaches itself
		require.NoError(s, c.Close())

		s.m.Cut("b", "a")
		s.m.Rejoin("a")
		s.expect(s.b, "out", 0)
		s.silence(s.a, time.Second) // the single link is still cut
		s.m.HealAll()
		s.expect(s.a, "in", 0)
	})
}

func TestHealAllTakesEveryRuleBack(t *testing.T) {
	play(t, func(s scene) {
		s.m.Delay("a", "b", time.Hour)
		s.m.Throttle("a", "b", 1)
		s.m.Cut("b", "a")
		s.m.Freeze("b")
		s.m.Isolate("a")
		s.m.HealAll()
		s.send(s.a, "ping")
		s.expect(s.b, "ping", 0)
		s.send(s.b, "pong")
		s.expect(s.a, "pong", 0)
	})
}

// What Drop lost never comes, not even its end; new connections work.
func TestDrop(t *testing.T) {
	play(t, func(s scene) {
		s.m.Delay("a", "b", time.Millisecond)
		s.send(s.a, "lost on its way")
		s.m.Drop("a", "b")
		s.send(s.a, "lost too")
		require.NoError(s, s.a.Close())
		s.m.HealAll()
		s.silence(s.b, time.Hour)
		a2, b2 := dialTo(s.T, s.m.Host("a"), s.l)
		s.send(a2, "new")
		s.expect(b2, "new", 0)
	})
}

// The answer to a call that did happen is lost: the caller cannot know.
func TestDropLosesAnswer(t *testing.T) {
	bubbles.Test(t, func(t *testing.T) {
		m := fault.NewNetwork()
		calls := 0
		s, err := network.NewServer(m.Host("server"), http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if calls++; calls == 1 {
				m.Drop("server", "client")
			}
		}), network.ServerOptions{Address: "server:80"})
		require.NoError(t, err)
		client := network.NewHTTPClient(m.Host("client"))
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		_, err = get(ctx, client, s.URL())
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Equal(t, 1, calls)
		_, err = get(t.Context(), client, s.URL())
		require.NoError(t, err)
		require.Equal(t, 2, calls)
		client.CloseIdleConnections()
		require.NoError(t, m.Close())
		require.NoError(t, s.Shutdown(t.Context()), "also when the network is gone first")
	})
}

func TestReset(t *testing.T) {
	play(t, func(s scene) {
		waiting := make(chan error, 1)
		go func() {
			_, err := s.a.Read(make([]byte, 1))
			waiting <- err
		}()
		synctest.Wait()
		s.m.Reset("b", "a")
		require.ErrorIs(s, <-waiting, syscall.ECONNRESET)
		_, err := s.b.Write([]byte("x"))
		require.ErrorIs(s, err, syscall.ECONNRESET)
		require.NoError(s, s.b.Close())
		_, err = s.dial(time.Second)
		require.NoError(s, err)
	})
}

// Others cannot tell a frozen host from a slow one: they connect and send, but
// nothing comes back.
func TestFreezeAndThaw(t *testing.T) {
	play(t, func(s scene) {
		s.m.Freeze("b")
		s.send(s.a, "hello?")
		s.silence(s.b, time.Second)
		took, err := s.dial(time.Second)
		require.NoError(s, err)
		require.Zero(s, took)

		require.NoError(s, s.b.SetWriteDeadline(time.Now().Add(time.Second)))
		_, err = s.b.Write([]byte("x"))
		requireTimeout(s.T, err)
		accepted := make(chan time.Time, 1)
		go func() {
			if _, err := s.l.Accept(); err == nil {
				accepted <- time.Now()
			}
		}()
		thawed := time.Now().Add(time.Minute)
		time.AfterFunc(time.Minute, func() { s.m.Thaw("b") })
		s.expect(s.b, "hello?", time.Minute)
		require.Equal(s, thawed, <-accepted)
	})
}

func TestFrozenHostDoesNotDial(t *testing.T) {
	play(t, func(s scene) {
		s.m.Freeze("a")
		time.AfterFunc(time.Second, func() { s.m.Thaw("a") })
		took, err := s.dial(time.Minute)
		require.NoError(s, err)
		require.Equal(s, time.Second, took)
	})
}
