package fault_test

import (
	"io"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"stasis/fault"
)

// One side of a connection is forgotten: the other learns of it when it sends, one round trip later, and only then
// does the first one learn of it, in the same way.
func TestHalfOpen(t *testing.T) {
	play(t, func(s scene) {
		s.m.Delay("a", "b", 30*time.Millisecond)
		s.m.Delay("b", "a", 10*time.Millisecond)
		s.send(s.a, "arrived")
		time.Sleep(time.Second)
		s.m.HalfOpen("a", "b")
		s.expect(s.b, "arrived", 0)
		s.silence(s.a, time.Hour) // it does not send, and is told nothing
		s.send(s.b, "still heard")
		s.expect(s.a, "still heard", 10*time.Millisecond)

		s.send(s.a, "lost")
		begun := time.Now()
		_, err := s.a.Read(make([]byte, 1))
		require.ErrorIs(s, err, syscall.ECONNRESET)
		require.Equal(s, 40*time.Millisecond, time.Since(begun))
		_, err = s.a.Write([]byte("x"))
		require.ErrorIs(s, err, syscall.ECONNRESET)
		s.silence(s.b, time.Hour) // the reset was for a alone
		s.send(s.b, "anything there")
		_, err = s.b.Read(make([]byte, 1))
		require.ErrorIs(s, err, syscall.ECONNRESET)

		tally := s.m.Tally("a", "b")
		require.Equal(s, fault.Count{Pieces: 1, Bytes: 4}, tally.Lost)
		require.Equal(s, 1, tally.Reset)
		require.Equal(s, 1, s.m.Met("a", "b"))
		took, err := s.dial(time.Second)
		require.NoError(s, err, "new connections work")
		require.Equal(s, 40*time.Millisecond, took)
	})
}

// A reader that waits when its own side sends is told, too; what was on its way is answered like what comes later.
func TestHalfOpenWakesReaders(t *testing.T) {
	play(t, func(s scene) {
		failed := make(chan error, 1)
		go func() {
			_, err := s.a.Read(make([]byte, 1))
			failed <- err
		}()
		synctest.Wait()
		s.m.HalfOpen("a", "b")
		s.send(s.a, "x")
		require.ErrorIs(s, <-failed, syscall.ECONNRESET)
	})
	play(t, func(s scene) {
		s.m.Delay("a", "b", time.Second)
		s.send(s.a, "on its way")
		s.m.HalfOpen("a", "b")
		require.Equal(s, 1, s.m.Met("a", "b"))
		begun := time.Now()
		_, err := s.a.Read(make([]byte, 1))
		require.ErrorIs(s, err, syscall.ECONNRESET)
		require.Equal(s, time.Second, time.Since(begun))
		s.silence(s.b, time.Hour)
	})
}

// The reset does not come over a cut link, and an end that is closed before tells nothing.
func TestHalfOpenOverCut(t *testing.T) {
	play(t, func(s scene) {
		s.m.HalfOpen("a", "b")
		s.m.Cut("b", "a")
		s.send(s.a, "x")
		s.silence(s.a, time.Hour)
		s.m.Heal("b", "a")
		_, err := s.a.Read(make([]byte, 1))
		require.ErrorIs(s, err, syscall.ECONNRESET)
	})
	play(t, func(s scene) {
		s.m.HalfOpen("a", "b")
		require.NoError(s, s.a.Close())
		s.silence(s.b, time.Hour)
		s.send(s.b, "x")
		_, err := s.b.Read(make([]byte, 1))
		require.ErrorIs(s, err, syscall.ECONNRESET)
	})
}

// A frozen direction is silent, and connections can be made over it.
func TestFreezeLink(t *testing.T) {
	play(t, func(s scene) {
		s.send(s.a, "early")
		s.m.FreezeLink("a", "b")
		s.expect(s.b, "early", 0)
		s.send(s.a, "held")
		s.silence(s.b, time.Minute)
		s.send(s.b, "the other way works")
		s.expect(s.a, "the other way works", 0)
		took, err := s.dial(time.Second)
		require.NoError(s, err)
		require.Zero(s, took)
		require.Equal(s, fault.Count{Pieces: 2, Bytes: 4}, s.m.Tally("a", "b").Frozen, "the text, and the end of the connection that was made")
		require.Zero(s, s.m.Tally("b", "a").Frozen)

		written := make(chan error, 1)
		go func() {
			_, err := s.a.Write(make([]byte, 2*fault.BufferBytes))
			written <- err
		}()
		synctest.Wait()
		require.Empty(s, written, "the buffers are full")
		s.m.ThawLink("a", "b")
		s.expect(s.b, "held", 0)
		_, err = io.ReadFull(s.b, make([]byte, 2*fault.BufferBytes))
		require.NoError(s, err)
		require.NoError(s, <-written)
		s.m.FreezeLink("a", "b")
		s.m.HealAll()
		s.send(s.a, "healed")
		s.expect(s.b, "healed", 0)
	})
}
