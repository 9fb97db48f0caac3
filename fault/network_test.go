package fault_test

import (
	"context"
	"net"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"stasis/fault"
)

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
		_, err := s.m.Host("a").DialContext(s.Context(), "tcp", "no-such-host:1")
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
