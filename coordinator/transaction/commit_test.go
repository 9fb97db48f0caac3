package transaction_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stasis/coordinator/transaction"
	dbclient "stasis/dbserver/client"
	"stasis/internal/apierror"
)

// A transaction on one shard is one request; one that has only read ends its parts.
func TestCommitOnOneShard(t *testing.T) {
	test(t, nil, func(f *fixture) {
		id, k := f.begin(writing), keyOn(1, 2, 0)
		require.NoError(t, f.write(id, k, `1`))
		_, err := f.read(id, keyOn(2, 2, 0))
		require.ErrorIs(t, err, apierror.DocumentNotFound)
		seen, err := f.read(id, k)
		require.NoError(t, err)
		require.Equal(t, "1", seen, "its own write")
		require.Empty(t, f.world.stored("s1", k), "nobody else sees it")
		require.NoError(t, f.commit(id))
		require.Equal(t, "1", f.world.stored("s1", k))
		require.Equal(t, "committed", f.state(id))
		require.NoError(t, f.commit(id), "again")
		require.Equal(t, []string{"end http://b commit", "decide http://a s1"}, f.world.calls()[len(f.world.calls())-2:])
		time.Sleep(time.Second)
		require.Equal(t, 1, f.world.count("forget"))
		require.Zero(t, f.world.count("prepare"))
		require.ErrorIs(t, f.write(id, k, `2`), apierror.TransactionDisallowed)
		require.Equal(t, 400, apierror.From(f.write(id, k, `2`)).Status())
		_, err = f.m.Abort(context.Background(), "db", id)
		require.ErrorIs(t, err, apierror.TransactionDisallowed)

		id = f.begin(writing)
		_, err = f.read(id, k)
		require.NoError(t, err)
		before := f.world.count("decide")
		require.NoError(t, f.commit(id))
		require.Equal(t, before, f.world.count("decide"))
		require.NoError(t, f.commit(f.begin(writing)), "nothing was done in it")
		require.Empty(t, f.world.settle())
	}, "A", "B")
}

// On several shards: gates, prepares, the decision; then the answer; then the others are told, and the decision is forgotten.
func TestCommitOnSeveralShards(t *testing.T) {
	test(t, nil, func(f *fixture) {
		id := f.begin(writing)
		for shard := range 4 {
			require.NoError(t, f.write(id, keyOn(shard+1, 4, 0), `1`))
		}
		n := len(f.world.calls())
		require.NoError(t, f.commit(id))
		require.Equal(t, "1", f.world.stored("s1", keyOn(1, 4, 0)), "it is decided")
		time.Sleep(time.Second)
		var kinds []string
		for _, call := range f.world.calls()[n:] {
			kind, _, _ := strings.Cut(call, " ")
			if len(kinds) == 0 || kinds[len(kinds)-1] != kind {
				kinds = append(kinds, kind)
			}
		}
		require.Equal(t, []string{"enter", "prepare", "decide", "resolve", "forget"}, kinds)
		require.Equal(t, 3, f.world.count("enter"), "once at each server")
		require.Equal(t, 3, f.world.count("prepare"))
		for shard := range 4 {
			require.Equal(t, "1", f.world.stored("s"+string(rune('1'+shard)), keyOn(shard+1, 4, 0)))
		}
		require.Empty(t, f.world.settle())
	}, "A", "B", "C", "A")
}

// A transaction waits at no closed gate while it is inside another one.
func TestLeavesBeforeItWaits(t *testing.T) {
	test(t, nil, func(f *fixture) {
		id := f.twoShards()
		f.world.close("http://b", true)
		done := make(chan error, 1)
		go func() { done <- f.commit(id) }()
		time.Sleep(time.Second)
		require.False(t, f.world.entered("http://a", id), "it waits at B while it holds A")
		f.world.close("http://b", false)
		require.NoError(t, <-done)
		require.Equal(t, 1, f.world.count("wait"))
	}, "A", "B")
}

// If the client waits no longer, the transaction lives on; nothing can be done in it but to commit it again, or to abort it.
func TestGateClosedForTooLong(t *testing.T) {
	for _, shards := range []int{1, 2} {
		test(t, nil, func(f *fixture) {
			id := f.begin(writing)
			for n := range shards {
				require.NoError(t, f.write(id, keyOn(n+1, 3, 0), `1`))
			}
			_, err := f.read(id, keyOn(3, 3, 0))
			require.ErrorIs(t, err, apierror.DocumentNotFound)
			for _, url := range []string{"http://a", "http://b"} {
				f.world.close(url, true)
			}
			ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
			defer cancel()
			_, err = f.m.Commit(dbclient.WithPatience(ctx, time.Second), "db", id)
			require.ErrorIs(t, err, apierror.GateClosed)
			require.Equal(t, 503, apierror.From(err).Status())
			require.ErrorContains(t, err, "backup b")
			require.Equal(t, "running", f.state(id))
			for _, url := range []string{"http://a", "http://b"} {
				f.world.close(url, false)
			}
			if shards == 1 {
				require.ErrorIs(t, f.write(id, keyOn(1, 3, 1), `1`), apierror.TransactionDisallowed, "its readers are ended")
			} else {
				require.NoError(t, f.write(id, keyOn(1, 3, 1), `1`))
			}
			require.NoError(t, f.commit(id))
			require.Equal(t, "1", f.world.stored("s1", keyOn(1, 3, 0)))
		}, "A", "B", "C")
	}
}

// A decision whose answer is lost is asked for; whatever the home has done is what the client hears.
func TestLostDecision(t *testing.T) {
	for kind, state := range map[fault]string{before: "aborted", after: "committed"} {
		test(t, nil, func(f *fixture) {
			id := f.twoShards()
			f.world.once("decide", kind)
			err := f.commit(id)
			require.Equal(t, state, f.state(id), "it is not what the home has decided")
			require.Equal(t, 1, f.world.count("ask"), "it is not what the home has decided")
			if state == "committed" {
				require.NoError(t, err)
			} else {
				require.ErrorIs(t, err, apierror.TransactionAborted)
				require.Equal(t, 410, apierror.From(err).Status())
			}
			time.Sleep(time.Second)
			require.Equal(t, state == "committed", f.world.stored("s2", keyOn(2, 2, 0)) != "")
			require.Empty(t, f.world.settle())
		}, "A", "B")
	}
}

// As long as the home does not tell, the outcome is unknown, and nothing aborts it. It goes on being asked.
func TestUnknownOutcome(t *testing.T) {
	test(t, func(o *transaction.Options) { o.Timing.Doubt = 5 * time.Second }, func(f *fixture) {
		id := f.twoShards()
		f.world.fail(func(call, _ string) fault {
			switch call {
			case "decide":
				return after
			case "ask":
				return before
			}
			return none
		})
		began := time.Now()
		err := f.commit(id)
		require.GreaterOrEqual(t, time.Since(began), 5*time.Second)
		require.ErrorIs(t, err, apierror.ConnectionLost)
		require.Equal(t, apierror.OutcomeUnknown, apierror.From(err).Extra[apierror.Outcome])
		require.Equal(t, "unknown", f.state(id))
		_, err = f.m.Abort(context.Background(), "db", id)
		require.ErrorContains(t, err, "unknown")
		require.ErrorContains(t, f.commit(id), "unknown")
		f.world.fail(nil)
		time.Sleep(5 * time.Second)
		require.Equal(t, "committed", f.state(id))
		require.NoError(t, f.commit(id))
		require.Equal(t, `1`, f.world.stored("s2", keyOn(2, 2, 0)))
	}, "A", "B")
}

// A home that was dropped is asked for at all servers: only if none has the decision, there is none.
func TestDroppedHome(t *testing.T) {
	for kind, state := range map[fault]string{before: "aborted", after: "committed"} {
		test(t, nil, func(f *fixture) {
			id := f.twoShards()
			f.world.hit("decide", func() fault {
				f.plan.become(t, 1, "", "B")
				return kind
			})
			_ = f.commit(id)
			require.Equal(t, state, f.state(id))
			require.GreaterOrEqual(t, f.world.count("ask"), 1)
		}, "A", "B")
	}
}

// A restore replaces the data: what has become of a decision whose answer is lost is never known.
func TestRestoredMeanwhile(t *testing.T) {
	test(t, nil, func(f *fixture) {
		id := f.twoShards()
		f.world.hit("decide", func() fault {
			f.plan.become(t, 2, "A", "B")
			return before
		})
		require.ErrorContains(t, f.commit(id), "restored")
		require.Equal(t, "unknown", f.state(id))

		id = f.begin(writing)
		require.NoError(t, f.write(id, keyOn(1, 2, 0), `1`))
		f.plan.become(t, 3, "A", "B")
		require.ErrorIs(t, f.write(id, keyOn(1, 2, 0), `1`), apierror.TransactionAborted)
	}, "A", "B")
}

// Shards are told until they have heard it; before that no decision is forgotten.
func TestDecisionIsKeptUntilAllKnowIt(t *testing.T) {
	test(t, nil, func(f *fixture) {
		id := f.twoShards()
		f.world.fail(func(call, _ string) fault {
			if call == "resolve" {
				return before
			}
			return none
		})
		require.NoError(t, f.commit(id))
		time.Sleep(15 * time.Second)
		require.Zero(t, f.world.count("forget"), "shard s2 still needs it")
		require.Greater(t, f.world.count("resolve"), 5)

		f.world.fail(nil)
		id = f.twoShards()
		f.world.once("resolve", before)
		require.NoError(t, f.commit(id))
		time.Sleep(time.Second)
		require.Equal(t, 1, f.world.count("forget"))
	}, "A", "B")
}

// A commit finds out that a server has lost the part in which the transaction has only read: its locks were free.
func TestReadersAreChecked(t *testing.T) {
	test(t, nil, func(f *fixture) {
		id := f.begin(writing)
		require.NoError(t, f.write(id, keyOn(1, 2, 0), `1`))
		_, err := f.read(id, keyOn(2, 2, 0))
		require.ErrorIs(t, err, apierror.DocumentNotFound)
		f.world.restart("http://b")
		require.ErrorIs(t, f.commit(id), apierror.TransactionAborted, "it is committed although what it has read may have changed")
		require.Empty(t, f.world.stored("s1", keyOn(1, 2, 0)))
	}, "A", "B")
}

// An abort ends a commit that waits, and not one whose decision has been asked for.
func TestAbortOfACommit(t *testing.T) {
	test(t, nil, func(f *fixture) {
		id := f.twoShards()
		f.world.close("http://b", true)
		done := make(chan error, 1)
		go func() { done <- f.commit(id) }()
		time.Sleep(time.Second)
		require.ErrorIs(t, f.commit(id), apierror.Locked)
		require.ErrorIs(t, f.write(id, keyOn(1, 2, 0), `2`), apierror.Locked)
		require.Equal(t, "running", f.state(id))
		_, err := f.m.Abort(context.Background(), "db", id)
		require.NoError(t, err)
		require.ErrorIs(t, <-done, apierror.TransactionAborted)
		f.world.close("http://b", false)
		require.Empty(t, f.world.settle())

		id = f.twoShards()
		aborting := make(chan error, 1)
		f.world.hit("decide", func() fault {
			go func() {
				_, err := f.m.Abort(context.Background(), "db", id)
				aborting <- err
			}()
			return after
		})
		require.NoError(t, f.commit(id))
		require.ErrorIs(t, <-aborting, apierror.TransactionDisallowed, "what may be decided was aborted")
	}, "A", "B")
}

// The client that goes away does not end a commit.
func TestClientGoesAway(t *testing.T) {
	test(t, nil, func(f *fixture) {
		id := f.twoShards()
		f.world.close("http://b", true)
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_, err := f.m.Commit(ctx, "db", id)
		require.Equal(t, apierror.OutcomeUnknown, apierror.From(err).Extra[apierror.Outcome])
		f.world.close("http://b", false)
		time.Sleep(time.Second)
		require.Equal(t, "committed", f.state(id))
	}, "A", "B")
}

// A commit fails as a whole before the decision.
func TestPrepareFails(t *testing.T) {
	for _, kind := range []fault{unsent, before, after, dies, unled} {
		test(t, nil, func(f *fixture) {
			id := f.twoShards()
			f.world.once("prepare", kind)
			err := f.commit(id)
			require.ErrorIs(t, err, apierror.TransactionAborted)
			require.ErrorContains(t, err, "prepare shard s2")
			require.Zero(t, f.world.count("decide"))
			time.Sleep(3 * time.Second)
			f.world.settle()
			require.Empty(t, f.world.stored("s2", keyOn(2, 2, 0)))
			require.False(t, f.world.decided(id))
		}, "A", "B")
	}
}

// twoShards is a transaction that has written s1, its home, and s2.
func (f *fixture) twoShards() dbclient.TxnID {
	id := f.begin(writing)
	require.NoError(f.t, errors.Join(f.write(id, keyOn(1, 2, 0), `1`), f.write(id, keyOn(2, 2, 0), `1`)))
	return id
}
