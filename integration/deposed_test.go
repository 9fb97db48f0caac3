package integration

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	dbclient "stasis/dbserver/client"
	"stasis/internal/apierror"
)

// direct speaks to one DB server as a coordinator that still believes it to lead.
type direct struct {
	*observer
	id    string
	shard string
	term  uint64
}

// leading is the leader of the only shard.
func (o *observer) leading(t testing.TB) direct {
	t.Helper()
	all, _, err := o.shards(t.Context())
	require.NoError(t, err)
	require.Len(t, all, 1)
	for s, r := range all {
		return direct{o, r.plan[0], s, r.term}
	}
	panic("unreachable")
}

func (d direct) do(ctx context.Context, op dbclient.Op) (dbclient.OpResult, error) {
	r, err := d.dbs.Documents(ctx, dbclient.Target{URL: d.urls[d.id]}, d.shard, dbclient.DocumentsRequest{Collection: "c", Ops: []dbclient.Op{op}})
	if err != nil {
		return dbclient.OpResult{}, err
	}
	if r.Results[0].Error != nil {
		return dbclient.OpResult{}, r.Results[0].Error
	}
	return r.Results[0], nil
}

func (d direct) read(ctx context.Context, key string) (string, error) {
	r, err := d.do(ctx, dbclient.Op{Kind: dbclient.OpRead, Key: key})
	return string(r.New), err
}

func (d direct) write(ctx context.Context, key, doc string) error {
	_, err := d.do(ctx, dbclient.Op{Kind: dbclient.OpInsert, OverwriteMode: dbclient.OverwriteReplace, Key: key, Document: json.RawMessage(doc)})
	return err
}

// succeeded reports whether another leads, and serves.
func (d direct) succeeded(ctx context.Context) error {
	all, _, err := d.shards(ctx)
	if err != nil {
		return err
	}
	if r := all[d.shard]; r.term == d.term || r.current.Term != r.term || r.plan[0] == d.id {
		return fmt.Errorf("%s still leads: %+v", d.names[d.id], r)
	}
	return nil
}

// pending are requests that a leader gets while it is paused.
type pending struct {
	read  chan error
	write chan error
}

func (d direct) ask(ctx context.Context) pending {
	p := pending{make(chan error, 1), make(chan error, 1)}
	go func() {
		_, err := d.read(ctx, "k")
		p.read <- err
	}()
	go func() { p.write <- d.write(ctx, "k", `{"value":"stale"}`) }()
	return p
}

// refuses reports whether an error is that of a leader that no longer leads.
func refuses(err error) bool {
	return errors.Is(err, apierror.NotLeader) || errors.Is(err, apierror.NoLeader)
}

// A leader that is paused until long after its successor was named: what it was asked
// meanwhile, and what it is asked when it wakes, it neither acknowledges nor answers
// with what it knows. It follows then.
func TestFrozenLeaderWakes(t *testing.T) {
	inBubble(t, 1, func(b *bubble) {
		b.create1("c", 3, 2)
		ctx := b.t.Context()
		put := func(v string) error {
			return b.clients[0].Database("").Put(ctx, "c", map[string]any{"_key": "k", "value": v})
		}
		require.NoError(b.t, put("old"))
		old := b.leading(b.t)
		b.net.Freeze(b.names[old.id])
		p := old.ask(ctx)
		b.await(time.Minute, func() error { return old.succeeded(ctx) })
		require.NoError(b.t, put("new"))
		time.Sleep(time.Minute)
		b.net.Thaw(b.names[old.id])
		synctest.Wait()
		_, err := old.read(ctx, "k")
		require.True(b.t, refuses(err), "%v", err)
		require.Error(b.t, old.write(ctx, "k", `{"value":"stale"}`))
		require.Error(b.t, <-p.read)
		require.Error(b.t, <-p.write)
		b.heal()
		b.follows(old, "new")
	})
}

// create1 makes a replicated collection of one shard and waits until it is in sync.
func (b *bubble) create1(name string, factor, concern int) {
	b.t.Helper()
	require.NoError(b.t, createReplicated(b.t.Context(), b.clients[0], name, 1, factor, concern))
	b.heal()
}

// follows demands that the server that led is in sync as a follower, and that the
// document is what the successor was told.
func (b *bubble) follows(old direct, value string) {
	b.t.Helper()
	now := b.leading(b.t)
	require.NotEqual(b.t, old.id, now.id)
	got, err := now.read(b.t.Context(), "k")
	require.NoError(b.t, err)
	require.Contains(b.t, got, `"value":"`+value+`"`)
	_, err = old.read(b.t.Context(), "k")
	require.ErrorIs(b.t, err, apierror.NotLeader)
}

// A leader that only its clients reach stops answering them before the supervision
// names another: from the first write that the successor acknowledges on, and already
// before, reads are refused.
func TestIsolatedLeaderStopsInTime(t *testing.T) {
	inBubble(t, 2, func(b *bubble) {
		b.create1("c", 3, 1)
		ctx := b.t.Context()
		old := b.leading(b.t)
		name := b.names[old.id]
		require.NoError(b.t, old.write(ctx, "k", `{"value":"old"}`))
		others := append(b.agents(), append(b.servers(), "coordinator-1", "coordinator-2")...)
		b.cut(name, others, true, true)
		cut := time.Now()
		lost := make(chan error, 1)
		go func() { lost <- old.write(ctx, "k", `{"value":"lost"}`) }()
		served, named := time.Duration(0), time.Duration(0)
		for named == 0 {
			got, err := old.read(ctx, "k")
			if err == nil {
				served = time.Since(cut)
				require.Contains(b.t, got, `"old"`, "a write that no other server has is not seen")
			} else {
				require.True(b.t, refuses(err), "%v", err)
			}
			if old.succeeded(ctx) == nil {
				named = time.Since(cut)
			}
			time.Sleep(20 * time.Millisecond)
		}
		b.t.Logf("it served for %v; its successor after %v", served, named)
		require.Positive(b.t, served, "it has a lease")
		require.Less(b.t, served, named)
		require.NoError(b.t, b.clients[0].Database("").Put(ctx, "c", map[string]any{"_key": "k", "value": "new"}))
		for range 200 {
			_, err := old.read(ctx, "k")
			require.True(b.t, refuses(err), "%v", err)
			require.True(b.t, refuses(old.write(ctx, "k", `{"value":"x"}`)))
			time.Sleep(100 * time.Millisecond)
		}
		b.net.HealAll()
		require.Error(b.t, <-lost)
		b.heal()
		b.follows(old, "new")
	})
}

// A leader that lost what it had not synced, and is back before it was given up,
// serves nothing before it has found a follower that has what it lost. If it does not
// find one for longer than the grace period, the follower leads.
func TestForgetfulLeaderAsksFirst(t *testing.T) {
	inBubble(t, 8, func(b *bubble) {
		b.create1("c", 2, 1)
		ctx := b.t.Context()
		old := b.leading(b.t)
		name := b.names[old.id]
		for i := range 100 {
			require.NoError(b.t, old.write(ctx, fmt.Sprint("a", i), `{}`))
		}
		require.NoError(b.t, old.write(ctx, "k", `{"value":"kept"}`))
		b.crash(name, 0)
		b.cut(name, b.servers(), true, true)
		b.restart(name)
		for range 100 {
			_, err := old.read(ctx, "k")
			require.True(b.t, refuses(err), "%v", err)
			require.True(b.t, refuses(old.write(ctx, "k", `{"value":"x"}`)))
			time.Sleep(200 * time.Millisecond)
		}
		require.NoError(b.t, old.succeeded(ctx))
		now := b.leading(b.t)
		require.Equal(b.t, old.term+1, now.term)
		got, err := now.read(ctx, "k")
		require.NoError(b.t, err)
		require.Contains(b.t, got, "kept")
		b.heal()
		b.mustCount(101)
	})
}

// A leader that is a process is stopped in the middle of writes, until its successor
// serves, and wakes. What reaches it while it stands still it neither serves nor
// acknowledges. A write that had begun may be acknowledged late, after the successor
// has begun: then the successor has it. So every acknowledged write is there, whenever
// the acknowledgement came.
func TestPausedLeaderWakes(t *testing.T) {
	t.Parallel()
	c, o := impatient(t)
	ctx := t.Context()
	require.NoError(t, createReplicated(ctx, c.clients[0], "c", 1, 3, 2))
	eventually(t, time.Minute, func() error { return o.healed(ctx) })
	for round := range scale(1, 20) {
		value := fmt.Sprintf("new%d", round)
		old := o.leading(t)
		require.NoError(t, c.db(0).Put(ctx, "c", map[string]any{"_key": "k", "value": "old"}))
		underWay := old.keepWriting(ctx, fmt.Sprintf("round%d", round))
		require.NoError(t, c.Pause(o.names[old.id]))
		p := old.ask(ctx)
		eventually(t, time.Minute, func() error { return old.succeeded(ctx) })
		require.NoError(t, c.db(1).Put(ctx, "c", map[string]any{"_key": "k", "value": value}))
		resumed := time.Now()
		require.NoError(t, c.Resume(o.names[old.id]))
		require.Error(t, <-p.write)
		require.Error(t, <-p.read)
		acknowledged, late := underWay.stop(resumed)
		t.Logf("%d writes were acknowledged before the pause, %d after it", len(acknowledged)-late, late)
		require.NotEmpty(t, acknowledged, "no write had begun")
		_, err := old.read(ctx, "k")
		require.True(t, refuses(err), "%v", err)
		eventually(t, time.Minute, func() error { return o.healed(ctx) })
		now := o.leading(t)
		got, err := now.read(ctx, "k")
		require.NoError(t, err)
		require.Contains(t, got, `"value":"`+value+`"`)
		for _, key := range acknowledged {
			_, err := now.read(ctx, key)
			require.NoError(t, err, "%s was acknowledged", key)
		}
	}
}

// underWay are writers that write until their server acknowledges no more.
type underWay struct {
	writers sync.WaitGroup
	mu      sync.Mutex
	at      map[string]time.Time // acknowledged keys
}

// keepWriting starts writers of ever new keys. It returns when a write has been
// acknowledged; each writer ends with the first that is not.
func (d direct) keepWriting(ctx context.Context, prefix string) *underWay {
	u := &underWay{at: map[string]time.Time{}}
	first := make(chan struct{})
	begun := sync.OnceFunc(func() { close(first) })
	for w := range 4 {
		u.writers.Go(func() {
			defer begun()
			for i := 0; ; i++ {
				key := fmt.Sprintf("%s-%d-%d", prefix, w, i)
				if d.write(ctx, key, `{}`) != nil {
					return
				}
				u.mu.Lock()
				u.at[key] = time.Now()
				u.mu.Unlock()
				begun()
			}
		})
	}
	<-first
	return u
}

// stop waits for the writers. It gives what was acknowledged, and how much of it after
// that moment.
func (u *underWay) stop(moment time.Time) (acknowledged []string, late int) {
	u.writers.Wait()
	for key, at := range u.at {
		acknowledged = append(acknowledged, key)
		if at.After(moment) {
			late++
		}
	}
	return acknowledged, late
}
