package client

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// counting is a transaction that shows how often it was applied.
var counting = Tx{Ops: map[string]any{"/n": Increment(1)}}

func (f *fake) count() int64 {
	n, _ := f.root().At("/n").Int()
	return n
}

// Whatever goes wrong with the first attempt, the transaction is applied exactly
// once, and it is never sent again without an inquiry in between.
func TestWriteIsAppliedOnce(t *testing.T) {
	for name, c := range map[string]struct {
		faults   []misdeed // of the leader's writes
		requests string
	}{
		"no fault":                  {nil, "a/write"},
		"answer lost":               {[]misdeed{loseAnswer}, "a/write b/inquire a/inquire"},
		"hung up before":            {[]misdeed{hangUp}, "a/write b/inquire a/inquire a/write"},
		"hung up twice":             {[]misdeed{hangUp, hangUp}, "a/write b/inquire a/inquire a/write c/inquire a/inquire a/write"},
		"refused":                   {[]misdeed{refuse}, "a/write b/inquire a/inquire a/write"},
		"leadership lost meanwhile": {[]misdeed{applyAnd503}, "a/write b/inquire a/inquire"},
		"commit not in time":        {[]misdeed{applyAnd408}, "a/write b/inquire a/inquire"},
		"agent hangs":               {[]misdeed{hang}, "a/write b/inquire a/inquire a/write"},
	} {
		t.Run(name, func(t *testing.T) {
			withFake(t, func(t *testing.T, f *fake, client *Client) {
				f.fail("a/write", c.faults...)
				index, err := client.Write(within(t, time.Minute), counting)
				require.NoError(t, err)
				require.EqualValues(t, 1, index, "it was applied twice")
				require.EqualValues(t, 1, f.count(), "it was applied twice")
				require.Equal(t, strings.Fields(c.requests)[0], "a/write")
				require.Equal(t, shape(c.requests), shape(f.requests()), "requests")
			})
		})
	}
}

// shape leaves out who was asked: only the order of calls that a leader answered
// or might have, is promised.
func shape(requests string) []string {
	var calls []string
	for _, r := range strings.Fields(requests) {
		if host, call, _ := strings.Cut(r, "/"); host == "a" {
			calls = append(calls, call)
		}
	}
	return calls
}

// A lost attempt that was applied makes the precondition of the next one fail.
// That is no failure.
func TestOwnEffectIsNoFailedPrecondition(t *testing.T) {
	withFake(t, func(t *testing.T, f *fake, c *Client) {
		tx := Tx{Ops: map[string]any{"/lock": "me"}, Pre: map[string]any{"/lock": OldEmpty(true)}}
		raw, err := tx.Encode("the id")
		require.NoError(t, err)
		d := &writeCall{c: c, open: []encodedTx{{id: "the id", raw: raw}}, results: make([]uint64, 1), lost: true}
		require.NotZero(t, apply(f.machine, raw).Index) // the delayed first request, after the inquiry
		status, result := 412, map[string]any{"results": []uint64{0}}
		body, err := json.Marshal(result)
		require.NoError(t, err)
		require.NoError(t, d.conclude(within(t, time.Minute), answer{status: status, body: body}))
		require.Equal(t, []uint64{1}, d.results)
	})
}

// The outcome is unknown as long as no leader tells, and that is never called
// anything else.
func TestUnknownStaysUnknown(t *testing.T) {
	for name, prepare := range map[string]func(f *fake){
		"no agent can be asked": func(f *fake) { f.fail("a/write", loseAnswer); f.failAll("inquire", refuse) },
		"a stranger is asked":   func(f *fake) { f.fail("a/write", loseAnswer); f.fail("inquire", astray, astray, astray, astray) },
		"the only leader hangs": func(f *fake) { f.failAll("a", hang) },
		"lost, then no leader":  func(f *fake) { f.fail("a/write", hangUp); f.failAll("write", refuse) },
		"not understood":        func(f *fake) { f.fail("a/write", strange) },
	} {
		t.Run(name, func(t *testing.T) {
			withFake(t, func(t *testing.T, f *fake, c *Client) {
				prepare(f)
				_, err := c.Write(within(t, 20*time.Second), counting)
				require.ErrorIs(t, err, ErrUnknown)
				require.NotErrorIs(t, err, ErrUnavailable)
				require.NotErrorIs(t, err, ErrPrecondition)
				require.NotErrorIs(t, err, ErrRejected, "that would mean not applied")
			})
		})
	}
}

func (f *fake) failAll(where string, what misdeed) {
	for range 1000 {
		f.fail(where, what)
	}
}

// Not applied for sure: no agent took it, or a leader refused it.
func TestNotApplied(t *testing.T) {
	withFake(t, func(t *testing.T, f *fake, c *Client) {
		ctx := within(t, time.Hour)
		_, err := c.Write(ctx, Tx{Ops: map[string]any{"/n": 1}, Pre: map[string]any{"/n": 7}})
		require.ErrorIs(t, err, ErrPrecondition)
		_, err = c.Write(ctx, Tx{Ops: map[string]any{"/n": operation{"op": "moo"}}})
		require.ErrorIs(t, err, ErrRejected)
		require.NotErrorIs(t, err, ErrPrecondition)
		_, err = c.Write(ctx, Tx{Ops: map[string]any{"/n": func() {}}})
		require.ErrorIs(t, err, ErrRejected)

		f.elect("")
		_, err = c.Write(within(t, 5*time.Second), counting)
		require.ErrorIs(t, err, ErrUnknown, "an agent had it, and no leader could be asked")

		f.http.CloseIdleConnections() // on an open connection it might have been sent
		f.net.Isolate("client")
		_, err = c.Write(within(t, 5*time.Second), counting)
		require.ErrorIs(t, err, ErrUnavailable)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.NotErrorIs(t, err, ErrUnknown)
		require.Zero(t, f.count())
	})
}

// The client finds the leader behind whichever agent answers, without waiting,
// and remembers it.
func TestLeaderIsFoundAndRemembered(t *testing.T) {
	withFake(t, func(t *testing.T, f *fake, c *Client) {
		f.elect("c")
		began := time.Now()
		_, err := c.Read(within(t, time.Minute), "/")
		require.NoError(t, err)
		_, err = c.Read(within(t, time.Minute), "/")
		require.NoError(t, err)
		require.Equal(t, "a/read c/read c/read", f.requests())
		require.Zero(t, time.Since(began))
	})
}

// A hung agent costs one attempt, not the call.
func TestHungAgentDoesNotHangTheClient(t *testing.T) {
	withFake(t, func(t *testing.T, f *fake, c *Client) {
		f.elect("b")
		f.net.Freeze("a")
		began := time.Now()
		_, err := c.Read(within(t, time.Minute), "/")
		require.NoError(t, err)
		require.LessOrEqual(t, time.Since(began), defaultAttempt+time.Second)
		f.net.Thaw("a")
	})
}

// Without leader the client goes on until there is one, and logs that twice: when
// it has lasted and when it is over.
func TestNoLeaderForAWhile(t *testing.T) {
	withFake(t, func(t *testing.T, f *fake, c *Client) {
		f.elect("")
		time.AfterFunc(30*time.Second, func() { f.elect("b") })
		began := time.Now()
		_, err := c.Write(within(t, time.Minute), counting)
		require.NoError(t, err)
		require.EqualValues(t, 1, f.count())
		require.Less(t, time.Since(began), 31*time.Second)
		require.Equal(t, 2, strings.Count(f.log.String(), "\n"), f.log.String())
	})
}

// Two followers that point at each other do not make the client spin.
func TestRedirectsInACircle(t *testing.T) {
	withFake(t, func(t *testing.T, f *fake, c *Client) {
		f.elect("nowhere")
		_, err := c.Read(within(t, 10*time.Second), "/")
		require.ErrorIs(t, err, ErrUnavailable)
		require.ErrorContains(t, err, "last: http://")
		require.Less(t, len(strings.Fields(f.requests())), 200)
	})
}

// A plain value is stored as it is, also when it looks like an operation, and is
// compared as it is in a precondition.
func TestPlainValuesAreNoOperations(t *testing.T) {
	withFake(t, func(t *testing.T, f *fake, c *Client) {
		ctx := within(t, time.Minute)
		odd := map[string]any{"op": "delete"}
		_, err := c.Write(ctx, Tx{Ops: map[string]any{"/x": odd}})
		require.NoError(t, err)
		require.Equal(t, "delete", f.root().At("/x/op").Text())
		_, err = c.Write(ctx, Tx{Ops: map[string]any{"/x": 1}, Pre: map[string]any{"/x": odd}})
		require.NoError(t, err)
		root, err := c.Read(ctx, "/x")
		require.NoError(t, err)
		_, err = c.Write(ctx, Tx{Ops: map[string]any{"/x": Delete()}, Pre: map[string]any{"/x": Exactly(root.At("/x")), "/y": Exactly(root.At("/y"))}})
		require.NoError(t, err)
	})
}

// Several transactions in one request: each has its own outcome, also when it has
// to be inquired; only those not applied are sent again.
func TestWriteAll(t *testing.T) {
	withFake(t, func(t *testing.T, f *fake, c *Client) {
		never := Tx{Ops: map[string]any{"/x": 1}, Pre: map[string]any{"/x": OldEmpty(false)}}
		results, err := c.WriteAll(within(t, time.Minute), counting, never, counting)
		require.NoError(t, err)
		require.Equal(t, []uint64{1, 0, 2}, results)
		f.fail("a/write", loseAnswer)
		results, err = c.WriteAll(within(t, time.Minute), counting, never, counting)
		require.NoError(t, err)
		require.Equal(t, []uint64{3, 0, 4}, results)
		require.EqualValues(t, 4, f.count())
	})
}

// Transient writes are repeated blindly, so only repeatable ones are let through.
func TestTransient(t *testing.T) {
	withFake(t, func(t *testing.T, f *fake, c *Client) {
		ctx := within(t, time.Minute)
		f.fail("a/transient", loseAnswer)
		require.NoError(t, Heartbeat(ctx, c, "PRMR-1", StatusServing))
		root, err := c.TransientRead(ctx, "/arango/Sync")
		require.NoError(t, err)
		require.Equal(t, StatusServing, root.At("/arango/Sync/ServerStates/PRMR-1/status").Text())
		require.ErrorIs(t, c.transientWrite(ctx, counting), ErrRejected)
		require.ErrorIs(t, c.transientWrite(ctx, Tx{Ops: map[string]any{"/x": 1}, Pre: map[string]any{"/x": 5}}), ErrPrecondition)
	})
}

// A poll that waits at a deposed or hung leader is given up as soon as another
// call of this client finds the new one.
func TestPollMovesToTheNewLeader(t *testing.T) {
	withFake(t, func(t *testing.T, f *fake, c *Client) {
		f.fail("a/poll", hang)
		began := time.Now()
		done := make(chan error, 1)
		go func() {
			_, err := c.Poll(t.Context(), 1, time.Minute)
			done <- err
		}()
		time.Sleep(time.Second)
		f.elect("b")
		_, err := c.Read(within(t, time.Minute), "/")
		require.NoError(t, err)
		require.NoError(t, <-done)
		require.Equal(t, time.Second, time.Since(began))
	})
}
