package integration

import (
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stasis/fault"
	"stasis/internal/apierror"
)

// inSync are the names of the servers that Current has for the only shard.
func (b *bubble) inSync() []string {
	b.t.Helper()
	all, _, err := b.shards(b.t.Context())
	require.NoError(b.t, err)
	require.Len(b.t, all, 1)
	var names []string
	for _, r := range all {
		for _, id := range r.current.Servers {
			names = append(names, b.names[id])
		}
	}
	return names
}

func (b *bubble) awaitInSync(n int) {
	b.t.Helper()
	b.await(time.Minute, func() error {
		if in := b.inSync(); len(in) != n {
			return fmt.Errorf("in sync: %v", in)
		}
		return nil
	})
}

func (b *bubble) put(key string) error {
	return b.clients[0].Database("").Put(b.t.Context(), "c", map[string]any{"_key": key, "value": key})
}

// mustPut writes n documents.
func (b *bubble) mustPut(prefix string, n int) {
	b.t.Helper()
	for i := range n {
		require.NoError(b.t, b.put(fmt.Sprintf("%s%d", prefix, i)))
	}
}

func (b *bubble) mustCount(n int64) {
	b.t.Helper()
	got, err := b.clients[1].Database("").Count(b.t.Context(), "c")
	require.NoError(b.t, err)
	require.Equal(b.t, n, got)
}

// A leader that the agency reaches but no follower: it goes on alone when its write
// concern allows that, else it reads and refuses writes, saying why. No other server takes its
// place: it is alive.
func TestLeaderInTheMinority(t *testing.T) {
	for concern := 1; concern <= 2; concern++ {
		t.Run(fmt.Sprintf("writeConcern=%d", concern), func(t *testing.T) {
			inBubble(t, 3, func(b *bubble) {
				b.create1("c", 3, concern)
				b.mustPut("a", 10)
				l := b.leading(b.t)
				b.cut(b.names[l.id], b.servers(), true, true)
				err := b.put("b") // begun before the followers leave the set, it is done
				require.NoError(b.t, err)
				b.awaitInSync(1)
				want := int64(12)
				err = b.put("c")
				if concern == 1 {
					require.NoError(b.t, err)
				} else {
					require.ErrorIs(b.t, err, apierror.ReadOnly)
					require.Equal(b.t, 403, apierror.From(err).Status())
					want--
				}
				b.mustCount(want)
				b.heal()
				require.NoError(b.t, b.put("d"))
				b.mustCount(want + 1)
				require.Equal(b.t, l.term, b.leading(b.t).term, "the leader stayed")
			})
		})
	}
}

// Links that are cut in one direction: the replica that must leave does, writes go on, and
// when the link is mended all is as before.
func TestOneWayCuts(t *testing.T) {
	for name, c := range map[string]struct {
		cut   func(b *bubble, leader, follower string)
		moves bool // another becomes the leader
		left  int  // in sync meanwhile
	}{
		"the leader does not hear the agency": {
			func(b *bubble, l, _ string) { b.cut(l, b.agents(), false, true) }, true, 2, // it cannot know whether the new tenure is Plan's
		},
		"the agency does not hear the leader": {
			func(b *bubble, l, _ string) { b.cut(l, b.agents(), true, false) }, true, 2,
		},
		"the answers of a follower are lost":  {func(b *bubble, l, f string) { b.net.Cut(f, l) }, false, 2},
		"a follower does not hear the leader": {func(b *bubble, l, f string) { b.net.Cut(l, f) }, false, 2},
		"the answers of all followers are lost": {
			func(b *bubble, l, _ string) { b.cut(l, b.servers(), false, true) }, false, 1,
		},
		"a follower does not hear the agency": {func(b *bubble, _, f string) { b.cut(f, b.agents(), false, true) }, false, 3},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, 4, func(b *bubble) {
				b.create1("c", 3, 1)
				b.mustPut("a", 10)
				l := b.leading(b.t)
				follower := b.inSync()[1]
				c.cut(b, b.names[l.id], follower)
				if c.moves {
					b.await(time.Minute, func() error { return l.succeeded(b.t.Context()) })
				}
				b.mustPut("b", 10)
				b.awaitInSync(c.left)
				b.mustPut("c", 10)
				require.Equal(b.t, c.moves, b.leading(b.t).term != l.term)
				b.heal()
				b.mustCount(30)
				require.Equal(b.t, c.moves, b.leading(b.t).term != l.term)
				b.awaitInSync(3)
			})
		})
	}
}

// A link between leader and follower that comes and goes: every write is
// acknowledged, and in the end all is in sync again.
func TestFlappingLink(t *testing.T) {
	inBubble(t, 5, func(b *bubble) {
		b.create1("c", 3, 2)
		l := b.leading(b.t)
		leader, follower := b.names[l.id], b.inSync()[1]
		for i := range 20 {
			b.net.Cut(leader, follower)
			if i%2 == 0 {
				b.net.Cut(follower, leader)
			}
			b.mustPut(fmt.Sprintf("cut%d-", i), 2)
			time.Sleep(time.Duration(b.random.IntN(5000)) * time.Millisecond)
			b.net.HealAll()
			b.mustPut(fmt.Sprintf("up%d-", i), 2)
			time.Sleep(time.Duration(b.random.IntN(1000)) * time.Millisecond)
		}
		b.heal()
		b.mustCount(80)
		require.Equal(b.t, l.term, b.leading(b.t).term)
	})
}

func isLog(path string) bool { return strings.HasSuffix(path, ".log") }

// A follower whose disk is full leaves the in-sync set, the writes go on, and it
// comes back when there is space.
func TestFullDiskOfAFollower(t *testing.T) {
	inBubble(t, 6, func(b *bubble) {
		b.create1("c", 3, 2)
		l := b.leading(b.t)
		follower := b.inSync()[2]
		b.mustPut("a", 10)
		full := b.met(b.disk(follower).Fail(fault.Calls{Kinds: fault.Write, Path: isLog}, syscall.ENOSPC))
		b.mustPut("b", 50)
		b.await(time.Minute, func() error {
			if err := b.put("more"); err != nil {
				return err
			}
			if in := b.inSync(); len(in) != 2 || in[1] == follower {
				return fmt.Errorf("in sync: %v", in)
			}
			return nil
		})
		b.mustPut("c", 50)
		require.NotZero(b.t, full.Met())
		full.End()
		b.heal()
		b.mustCount(111)
		require.Equal(b.t, l.term, b.leading(b.t).term)
	})
}

// A follower whose disk is slow makes writes that wait for disks slow. Nothing is lost: the follower stays in
// sync, and the leader goes on leading.
func TestSlowDiskOfAFollower(t *testing.T) {
	inBubble(t, 7, func(b *bubble) {
		b.create1("c", 3, 2)
		l := b.leading(b.t)
		follower := b.inSync()[1]
		slow := b.met(b.disk(follower).Slow(fault.Calls{Kinds: fault.Sync, Path: isLog}, 500*time.Millisecond))
		for i := range 10 {
			begun := time.Now()
			path := "/_api/document/c?waitForSync=true"
			require.NoError(b.t, b.clients[0].Do(b.t.Context(), "POST", path, map[string]any{"_key": fmt.Sprint("s", i)}, nil))
			require.GreaterOrEqual(b.t, time.Since(begun), 400*time.Millisecond, "it waits for every disk")
		}
		b.mustPut("a", 20)
		require.NotZero(b.t, slow.Met())
		require.Len(b.t, b.inSync(), 3)
		slow.End()
		b.heal()
		b.mustCount(30)
		require.Equal(b.t, l.term, b.leading(b.t).term)
	})
}
