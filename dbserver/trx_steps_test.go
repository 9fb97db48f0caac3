package dbserver

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	agencyclient "stasis/agency/client"
	"stasis/agency/keys"
	dbclient "stasis/dbserver/client"
	"stasis/internal/apierror"
)

// steps names how far a transaction on two shards has come.
var steps = []string{"written", "inside one gate", "inside both gates", "prepared", "decided", "resolved", "forgotten"}

// A coordinator dies at each step. Everything is decided without it: before the decision the transaction is aborted, from then on it is
// committed. Nothing is held for long.
func TestCoordinatorDies(t *testing.T) {
	for step, name := range steps {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, h *house) {
				x, home, other := h.onTwoShards()
				require.NoError(t, x.commit(home, other, step))
				begun := time.Now()
				h.nothingIsHeld(home, other)
				require.Less(t, time.Since(begun), 40*time.Second)
				want := 1
				if step >= hasDecided {
					want = 2
				}
				require.Equal(t, want, home.read("a"))
				require.Equal(t, want, other.read("a"))
			})
		})
	}
}

// A server crashes at each step, the home's or the other one, and its disk loses what was not synced. The coordinator goes on as far as it
// can. The transaction is whole or absent, and absent only if the coordinator was not told that it is committed.
func TestServerDies(t *testing.T) {
	for step, name := range steps {
		for _, dying := range []string{"db1", "db2"} {
			t.Run(name+" "+map[string]string{"db1": "home", "db2": "other"}[dying], func(t *testing.T) {
				inBubble(t, func(t *testing.T, h *house) {
					x, home, other := h.onTwoShards()
					time.Sleep(time.Second) // what was written before is on disk
					require.NoError(t, x.commit(home, other, step))
					h.crash(dying)
					h.start(dying)
					decided := step >= hasDecided
					if !decided {
						decided = x.goOn(home, other, step)
					}
					h.nothingIsHeld(home, other)
					h.whole(decided, home, other)
				})
			})
		}
	}
}

// goOn does the rest of the steps, as far as they go, and says whether the transaction is decided.
func (x *trx) goOn(home, other spot, from int) (decided bool) {
	ctx := x.h.t.Context()
	for i, step := range []func() error{
		func() error { return x.enter(ctx, home) },
		func() error { return x.enter(ctx, other) },
		func() error { return x.prepare(ctx, other, home) },
		func() error { return x.decide(ctx, home, other) },
	} {
		if i < from {
			continue
		}
		if err := step(); err != nil {
			x.h.t.Log("the coordinator gives up: ", err)
			for _, p := range []spot{home, other} {
				_ = x.end(p, false) // where it is gone there is nothing to end
			}
			return false
		}
	}
	return true
}

// whole demands that a transaction which has written 2 where 1 was is there on all shards, or on none.
func (h *house) whole(decided bool, spots ...spot) {
	h.t.Helper()
	want := 1
	if decided {
		want = 2
	}
	for _, p := range spots {
		require.Equal(h.t, want, p.read("a"), p.shard)
	}
}

// twoReplicated are two shards with two replicas each, on three servers: the home's second replica is on db3, as is the other's.
func (h *house) twoReplicated() (home, other spot) {
	h.t.Helper()
	a, b, c := h.start("db1"), h.start("db2"), h.start("db3")
	h.replicated("100", "s101", a, c)
	h.replicated("200", "s201", b, c)
	home, other = spot{h, "db1", "100", "s101"}, spot{h, "db2", "200", "s201"}
	for _, p := range []spot{home, other} {
		require.NoError(h.t, h.put(p.at(), p.shard, "a", `{"v":1}`))
	}
	return home, other
}

// The leader of a shard is replaced at each step by its follower, with a word before (a move) or without.
func TestLeaderMoves(t *testing.T) {
	for step, name := range steps {
		for _, moved := range []string{"s101", "s201"} {
			for _, resigns := range []bool{true, false} {
				t.Run(fmt.Sprint(name, " ", map[string]string{"s101": "home", "s201": "other"}[moved], map[bool]string{true: " resigns", false: " is replaced"}[resigns]), func(t *testing.T) {
					inBubble(t, func(t *testing.T, h *house) {
						home, other := h.twoReplicated()
						x := h.begin()
						require.NoError(t, x.put(home, "a", 2))
						require.NoError(t, x.put(other, "a", 2))
						require.NoError(t, x.commit(home, other, step))
						of := map[string]spot{"s101": home, "s201": other}[moved]
						old, next := of.at(), h.up["db3"]
						if resigns {
							h.write(map[string]any{keys.Maintenance: "true"}, nil) // or the supervision, which knows of no job, lets it go on
							h.eventually(keys.SupervisionMode, func(n *agencyclient.Node) bool { return n.Text() == keys.ModeMaintenance })
							h.plan(of.cid, of.shard, 1, keys.Resigned+old.ID(), next.ID())
							h.eventually(keys.CurrentShard("_system", of.cid, of.shard)+"/servers", func(n *agencyclient.Node) bool {
								var servers []string
								return n.Decode(&servers) == nil && strings.HasPrefix(servers[0], keys.Resigned)
							})
						}
						h.plan(of.cid, of.shard, 2, next.ID(), old.ID())
						h.inSync(of.cid, of.shard, next.ID(), old.ID())
						decided := step >= hasDecided
						if !decided {
							decided = x.goOn(home, other, step)
						}
						h.nothingIsHeld(home, other)
						h.whole(decided, home, other)
						require.Zero(t, old.ledger.Status().Open, "a part outlives the leadership")
						h.alike(of.shard, next, old)
					})
				})
			}
		}
	}
}

// The collection of the home is dropped after the decision, before the other shard knows of it. Its leader keeps it until the other
// shard knows, and then drops it. For clients it is gone at once.
func TestHomeIsDroppedAfterItHasDecided(t *testing.T) {
	for _, restarted := range []bool{false, true} {
		t.Run(fmt.Sprint("its leader starts again: ", restarted), func(t *testing.T) {
			inBubble(t, func(t *testing.T, h *house) {
				x, home, other := h.onTwoShards()
				require.NoError(t, x.commit(home, other, hasDecided))
				s := home.at()
				h.stop("db2") // it cannot be told, and it cannot ask
				h.write(map[string]any{keys.PlanCollection("_system", home.cid): agencyclient.Delete()}, nil)
				h.eventually(keys.CurrentCollections+"/_system/100", func(n *agencyclient.Node) bool { return !n.Exists() })
				_, err := h.dbs.Count(t.Context(), h.target(s), home.shard, dbclient.CountRequest{})
				require.ErrorIs(t, err, apierror.ShardGone)
				if restarted {
					h.crash("db1")
					s = h.start("db1")
				}
				time.Sleep(time.Minute)
				require.NotNil(t, s.data.host.Store().AsideShard(home.shard), "it is dropped although another shard has to know")
				h.start("db2")
				require.Equal(t, 2, other.read("a"))
				h.await("it is dropped at last", func() bool { return len(s.data.host.Store().Names()) == 0 })
				h.nothingIsHeld(other)
			})
		})
	}
}

// The collection of the home is dropped before it has decided: what is prepared is aborted.
func TestHomeIsDroppedBeforeItDecides(t *testing.T) {
	inBubble(t, func(t *testing.T, h *house) {
		x, home, other := h.onTwoShards()
		require.NoError(t, x.commit(home, other, hasPrepared))
		h.write(map[string]any{keys.PlanCollection("_system", home.cid): agencyclient.Delete()}, nil)
		h.nothingIsHeld(other)
		require.Equal(t, 1, other.read("a"))
	})
}

// A shard that has prepared is dropped: the home has nobody to tell, and does not keep its decision for ever.
func TestOtherIsDropped(t *testing.T) {
	inBubble(t, func(t *testing.T, h *house) {
		x, home, other := h.onTwoShards()
		require.NoError(t, x.commit(home, other, hasDecided))
		h.write(map[string]any{keys.PlanCollection("_system", other.cid): agencyclient.Delete()}, nil)
		h.nothingIsHeld(home)
		require.Equal(t, 2, home.read("a"))
		time.Sleep(20 * time.Second) // all that could be told have been told
		on, err := home.at().data.host.Store().Led(home.shard)
		require.NoError(t, err)
		kept, err := on.Shard.Transactions().Decisions()
		require.NoError(t, err)
		require.Len(t, kept, 1, "its coordinator may ask")
		h.await("the decision is forgotten", func() bool {
			time.Sleep(10 * time.Second)
			kept, err := on.Shard.Transactions().Decisions()
			return err == nil && len(kept) == 0
		})
	})
}

// The home's server is away for long. Whoever has prepared waits, and does not guess; with the home comes the answer.
func TestHomeIsAway(t *testing.T) {
	for _, decided := range []bool{false, true} {
		t.Run(fmt.Sprint("decided: ", decided), func(t *testing.T) {
			inBubble(t, func(t *testing.T, h *house) {
				x, home, other := h.onTwoShards()
				require.NoError(t, x.commit(home, other, map[bool]int{false: hasPrepared, true: hasDecided}[decided]))
				h.stop("db1")
				for range 20 {
					time.Sleep(10 * time.Second)
					require.Equal(t, 1, other.at().ledger.Status().Prepared, "it guesses")
				}
				h.gateIsHeldFor(other, "transaction 1")
				h.crash("db2")
				h.start("db2")
				h.gateIsHeldFor(other, "shard s201, on which transaction 1")
				h.start("db1")
				h.nothingIsHeld(home, other)
				h.whole(decided, home, other)
			})
		})
	}
}

// Who asks before the decision aborts the transaction: the decision that comes then is refused.
func TestAskedIsAborted(t *testing.T) {
	inBubble(t, func(t *testing.T, h *house) {
		x, home, other := h.onTwoShards()
		require.NoError(t, x.commit(home, other, hasPrepared))
		outcome, err := x.ask(home, true)
		require.NoError(t, err)
		require.Equal(t, dbclient.TxnAbortedAs, outcome)
		require.ErrorIs(t, x.decide(t.Context(), home, other), apierror.TxnGone, "it is decided after it was said to be aborted")
		h.nothingIsHeld(home, other)
		h.whole(false, home, other)

		y := h.begin() // asked for before it is opened: the request to open it was late
		outcome, err = y.ask(home, true)
		require.NoError(t, err)
		require.Equal(t, dbclient.TxnAbortedAs, outcome)
		require.ErrorIs(t, y.put(home, "a", 3), apierror.TxnGone)
	})
}

// A backup holds the gates in each mode while a transaction is at each step. What would change an engine waits or is refused, and
// nothing else; and when the gates open it goes on.
func TestGatesAreHeldAtEachStep(t *testing.T) {
	for _, mode := range []dbclient.LockMode{dbclient.LockModeTransactions, dbclient.LockModeCommits} {
		for step, name := range steps {
			t.Run(string(mode)+" "+name, func(t *testing.T) {
				inBubble(t, func(t *testing.T, h *house) {
					x, home, other := h.onTwoShards()
					require.NoError(t, x.commit(home, other, step))
					h.lock("b", "n")
					for _, p := range []spot{home, other} {
						inside := step < hasDecided && mode == dbclient.LockModeTransactions || // it is open here
							step >= enteredBoth && step < hasDecided || p == home && step == enteredHome || // it commits here
							p == other && step == hasDecided
						letGo, err := h.hold(t.Context(), h.target(p.at()), dbclient.GateLockRequest{ID: "b", Nonce: "n", WindowSeconds: 1, LeaseSeconds: 10, LockMode: mode})
						require.Equal(t, inside, errors.Is(err, apierror.LockTimeout), "%s: %v", p.shard, err)
						if err != nil {
							require.ErrorContains(t, err, "transaction 1 of coordinator CRDN-1")
							continue
						}
						x.isHeldUp(p, step)
						require.Error(t, letGo(), "its request was ended")
						synctest.Wait()
					}
					h.unlock("n", nil)
					decided := step >= hasDecided || x.goOn(home, other, step)
					require.True(t, decided, "it cannot go on")
					h.nothingIsHeld(home, other)
					h.whole(true, home, other)
				})
			})
		}
	}
}

// isHeldUp demands that an open transaction is kept from committing by a gate that is held, and can be told so and go on.
func (x *trx) isHeldUp(p spot, step int) {
	t := x.h.t
	if step > enteredHome || p.shard == "s101" && step == enteredHome {
		return
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	begun := time.Now()
	err := x.enter(ctx, p)
	require.ErrorIs(t, err, apierror.GateClosed)
	require.Equal(t, "b", apierror.From(err).Extra["backup"])
	require.Zero(t, time.Since(begun), "it waits at one gate and may be inside another")
	err = x.decide(ctx, p)
	require.ErrorIs(t, err, apierror.GateClosed, "it commits on one shard while the gate is held")
	require.NoError(t, x.put(p, "a", 2), "in mode commits what is open goes on")
}

// gateIsHeldFor demands that no backup gets the gate of a server, in no mode, and learns why.
func (h *house) gateIsHeldFor(p spot, who string) {
	h.t.Helper()
	h.lock("b", "held")
	for _, mode := range []dbclient.LockMode{dbclient.LockModeTransactions, dbclient.LockModeCommits} {
		_, err := h.hold(h.t.Context(), h.target(p.at()), dbclient.GateLockRequest{ID: "b", Nonce: "held", WindowSeconds: 0.5, LeaseSeconds: 10, LockMode: mode})
		require.ErrorIs(h.t, err, apierror.LockTimeout, "a gate is granted while %s is prepared behind it", who)
		require.ErrorContains(h.t, err, who)
	}
	h.unlock("held", nil)
}
