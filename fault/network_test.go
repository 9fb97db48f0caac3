package fault_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"stasis/fault"
	"stasis/internal/bubbles"
	"stasis/internal/network"
)

// scene is two connected hosts of a network in memory.
type scene struct {
	*testing.T
	m    *fault.Network
	l    net.Listener
	a, b net.Conn // a on host "a", which dialed; b on host "b"
}

// play runs a test in a bubble, where times are exact. Everything is closed at the end.
func play(t *testing.T, test func(scene)) {
	t.Helper()
	bubbles.Test(t, func(t *testing.T) {
		m := fault.NewNetwork()
		l, err := m.Host("b").Listen("b:1000")
		require.NoError(t, err)
		a, b := dialTo(t, m.Host("a"), l)
		test(scene{T: t, m: m, l: l, a: a, b: b})
		require.NoError(t, m.Close())
	})
}

func (s scene) send(c net.Conn, text string) {
	s.Helper()
	_, err := c.Write([]byte(text))
	require.NoError(s, err)
}

// expect reads text and demands that it took exactly d.
func (s scene) expect(c net.Conn, text string, d time.Duration) {
	s.Helper()
	begun := time.Now()
	got := make([]byte, len(text))
	_, err := io.ReadFull(c, got)
	require.NoError(s, err)
	require.Equal(s, text, string(got))
	require.Equal(s, d, time.Since(begun))
}

// silence demands that nothing arrives for d.
func (s scene) silence(c net.Conn, d time.Duration) {
	s.Helper()
	require.NoError(s, c.SetReadDeadline(time.Now().Add(d)))
	begun := time.Now()
	n, err := c.Read(make([]byte, 1))
	requireTimeout(s.T, err)
	require.Zero(s, n)
	require.Equal(s, d, time.Since(begun))
	require.NoError(s, c.SetReadDeadline(time.Time{}))
}

// dial connects from host a to b and gives how long it took.
func (s scene) dial(limit time.Duration) (time.Duration, error) {
	ctx, cancel := context.WithTimeout(s.Context(), limit)
	defer cancel()
	begun := time.Now()
	c, err := s.m.Host("a").DialContext(ctx, "tcp", "b:1000")
	if err == nil {
		err = c.Close()
	}
	return time.Since(begun), err
}

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
		s.send(s.b, "anybody?")
		s.m.Heal("a", "b")
		_, err := s.b.Read(make([]byte, 1))
		require.Equal(s, io.EOF, err)
		_, err = s.b.Write([]byte("anybody?"))
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

// A writer is held up by a reader that does not read, and told when it is gone.
func TestWriterWaitsForReader(t *testing.T) {
	play(t, func(s scene) {
		result := make(chan error, 1)
		go func() {
			_, err := s.a.Write(make([]byte, 2*fault.BufferBytes))
			result <- err
		}()
		synctest.Wait()
		require.Empty(s, result)
		s.expect(s.b, string(make([]byte, fault.BufferBytes)), 0)
		synctest.Wait()
		require.NoError(s, <-result)

		go func() {
			_, err := s.a.Write(make([]byte, 2*fault.BufferBytes))
			result <- err
		}()
		s.m.Delay("b", "a", time.Second)
		begun := time.Now()
		require.NoError(s, s.b.Close())
		require.ErrorIs(s, <-result, syscall.EPIPE)
		require.Equal(s, time.Second, time.Since(begun), "the end takes its way, too")
	})
}

func TestCloseEndsEverything(t *testing.T) {
	play(t, func(s scene) {
		results := make(chan error)
		for _, wait := range []func() error{
			func() error { _, err := s.a.Read(make([]byte, 1)); return err },
			func() error { _, err := s.a.Write(make([]byte, 2*fault.BufferBytes)); return err },
			func() error { _, err := s.l.Accept(); return err },
			func() error {
				s.m.Cut("a", "b")
				_, err := s.m.Host("a").DialContext(s.Context(), "tcp", "b:1000")
				return err
			},
		} {
			go func() { results <- wait() }()
		}
		synctest.Wait()
		require.NoError(s, s.m.Close())
		for range 4 {
			require.ErrorIs(s, <-results, net.ErrClosed)
		}
		_, err := s.m.Host("b").Listen("b:2")
		require.ErrorIs(s, err, net.ErrClosed)
		require.NoError(s, s.m.Close(), "again is harmless")
	})
}

func TestNamesAndPorts(t *testing.T) {
	play(t, func(s scene) {
		_, err := s.m.Host("a").DialContext(s.Context(), "tcp", "nobody:1")
		var dns *net.DNSError
		require.ErrorAs(s, err, &dns)
		require.True(s, dns.IsNotFound)
		s.m.Cut("a", "later") // a rule for a host that does not exist does not make it
		_, err = s.m.Host("a").DialContext(s.Context(), "tcp", "later:1")
		require.ErrorAs(s, err, &dns)
		_, err = s.m.Host("a").Listen("b:2")
		require.ErrorIs(s, err, syscall.EADDRNOTAVAIL)
		_, err = s.m.Host("c").Listen(":1000")
		require.NoError(s, err, "each host has ports of its own")
		one, err := s.m.Host("c").Listen(":0")
		require.NoError(s, err)
		two, err := s.m.Host("c").Listen(":0")
		require.NoError(s, err)
		require.NotEqual(s, one.Addr().String(), two.Addr().String())
	})
}

// Closing a listener breaks what it has not accepted.
func TestListenerCloseResetsBacklog(t *testing.T) {
	play(t, func(s scene) {
		c, err := s.m.Host("a").DialContext(s.Context(), "tcp", "b:1000")
		require.NoError(s, err)
		require.NoError(s, s.l.Close())
		_, err = c.Read(make([]byte, 1))
		require.ErrorIs(s, err, syscall.ECONNRESET)
		_, err = s.dial(time.Second)
		require.ErrorIs(s, err, syscall.ECONNREFUSED)
	})
}

// A client that gives up connecting leaves nothing behind at the server.
func TestDialGivenUpHalfWay(t *testing.T) {
	play(t, func(s scene) {
		s.m.Delay("b", "a", time.Second)
		_, err := s.dial(time.Millisecond)
		require.ErrorIs(s, err, context.DeadlineExceeded)
		c, err := s.l.Accept()
		require.NoError(s, err)
		_, err = c.Read(make([]byte, 1))
		require.ErrorIs(s, err, syscall.ECONNRESET)
	})
}

func dialTo(t *testing.T, from fault.Host, l net.Listener) (client, server net.Conn) {
	t.Helper()
	client, err := from.DialContext(t.Context(), "tcp", l.Addr().String())
	require.NoError(t, err)
	server, err = l.Accept()
	require.NoError(t, err)
	t.Cleanup(func() { _, _ = client.Close(), server.Close() }) // many tests have closed them
	return client, server
}

func requireTimeout(t *testing.T, err error) {
	t.Helper()
	var timeout net.Error
	require.ErrorAs(t, err, &timeout)
	require.True(t, timeout.Timeout())
	require.ErrorIs(t, err, os.ErrDeadlineExceeded)
}

func get(ctx context.Context, c *http.Client, url string) (string, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return "", err
	}
	response, err := c.Do(request)
	if err != nil {
		return "", err
	}
	answer, err := io.ReadAll(response.Body)
	return string(answer), errors.Join(err, response.Body.Close())
}

// What a rule kept from arriving is counted, in the direction in which it went.
func TestMetCountsWhatDidNotArrive(t *testing.T) {
	play(t, func(s scene) {
		s.send(s.a, "arrives")
		require.Zero(s, s.m.Met("a", "b"))
		s.m.Delay("a", "b", time.Second)
		s.send(s.a, "on its way")
		s.m.Cut("a", "b")
		require.Equal(s, 1, s.m.Met("a", "b"))
		s.send(s.a, "later")
		require.Equal(s, 2, s.m.Met("a", "b"))
		_, err := s.dial(time.Second)
		require.ErrorIs(s, err, context.DeadlineExceeded)
		require.Equal(s, 3, s.m.Met("a", "b"))
		s.m.HealAll()
		s.m.Drop("a", "b")
		s.send(s.a, "lost")
		require.Equal(s, 4, s.m.Met("a", "b"))
		require.Zero(s, s.m.Met("b", "a"))
	})
}

// Bytes that Drop loses on their way are counted, once, and so is a handshake that is cut off in the middle.
func TestMetCountsWhatWasOnItsWay(t *testing.T) {
	play(t, func(s scene) {
		s.m.Delay("a", "b", time.Second)
		s.send(s.a, "on its way")
		s.m.Drop("a", "b")
		require.Equal(s, 1, s.m.Met("a", "b"))
		s.m.Drop("a", "b")
		s.m.Cut("a", "b")
		require.Equal(s, 1, s.m.Met("a", "b"), "what is lost is not counted again")
		s.m.Heal("a", "b")

		dialed := make(chan error, 1)
		go func() {
			_, err := s.dial(3 * time.Second)
			dialed <- err
		}()
		time.Sleep(time.Second / 2)
		s.m.Cut("a", "b")
		require.ErrorIs(s, <-dialed, context.DeadlineExceeded)
		require.Equal(s, 2, s.m.Met("a", "b"))
	})
}

// A network that was closed while a host was connecting stays closed, whatever rule is changed after that.
func TestCloseDuringAHandshake(t *testing.T) {
	play(t, func(s scene) {
		s.m.Cut("b", "a") // the connection is made, and the answer does not arrive
		dialed := make(chan error, 1)
		go func() {
			_, err := s.dial(time.Hour)
			dialed <- err
		}()
		synctest.Wait()
		require.NoError(s, s.m.Close())
		require.ErrorIs(s, <-dialed, net.ErrClosed)
		s.m.HealAll()
		require.NoError(s, s.m.Close())
	})
}
