package transfer_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"

	"stasis/dbserver/transfer"
	"stasis/dbserver/transfer/remotetest"
	"stasis/dbserver/transfer/storage"
	"stasis/internal/apierror"
	"stasis/internal/bubbles"
)

// actor is one who works at the remote while another does. Each of its calls waits
// until it is let through.
type actor struct {
	do    func(ctx context.Context, r storage.Remote) error
	gate  chan struct{}
	ready int // of its calls wait at the gate: its renewals have a goroutine of their own
	done  bool
	err   error
}

// turns runs the actors at one storage; pick chooses whose call is next among those
// that wait. It returns how many choices there were at each step.
func turns(t *testing.T, m *remotetest.Memory, actors []*actor, pick func(step, choices int) int) (choices []int) {
	t.Helper()
	type key struct{}
	var mu sync.Mutex // of the actors
	m.Hook = func(ctx context.Context, _ remotetest.Call) error {
		a, _ := ctx.Value(key{}).(*actor)
		if a == nil {
			return nil
		}
		mu.Lock()
		a.ready++
		mu.Unlock()
		select {
		case <-a.gate:
			return nil
		case <-ctx.Done():
			mu.Lock()
			defer mu.Unlock()
			a.ready--
			return ctx.Err()
		}
	}
	for _, a := range actors {
		a.gate = make(chan struct{})
		go func() {
			err := a.do(context.WithValue(t.Context(), key{}, a), m.Remote())
			mu.Lock()
			defer mu.Unlock()
			a.err, a.done = err, true
		}()
	}
	for {
		synctest.Wait() // each of them waits at a gate, sleeps or is done
		var waiting []*actor
		over := true
		mu.Lock()
		for _, a := range actors {
			over = over && a.done
			if a.ready > 0 && !a.done {
				waiting = append(waiting, a)
			}
		}
		mu.Unlock()
		if over {
			m.Hook = nil
			return choices
		}
		if len(waiting) == 0 {
			time.Sleep(time.Second) // one of them pauses
			continue
		}
		next := waiting[0]
		if len(waiting) > 1 {
			next = waiting[pick(len(choices), len(waiting))]
			choices = append(choices, len(waiting))
		}
		mu.Lock()
		next.ready--
		mu.Unlock()
		next.gate <- struct{}{}
	}
}

// explore runs a scenario of two actors under every order of their calls in which the
// turn passes from one to the other at most twice: whichever begins, wherever it stops,
// and wherever the other one stops. (Bugs of this kind need no more turns than that.)
// The last orders are random ones with many turns. It says how many there were.
func explore(t *testing.T, scenario func(t *testing.T, pick func(step, choices int) int) []int) (runs int) {
	t.Helper()
	stride := 1
	if testing.Short() {
		stride = 7
	}
	return exploreEvery(t, stride, scenario)
}

// exploreEvery passes the turn only at every so many-th call.
func exploreEvery(t *testing.T, stride int, scenario func(t *testing.T, pick func(step, choices int) int) []int) (runs int) {
	t.Helper()
	run := func(pick func(step, choices int) int) (steps int) {
		bubbles.Test(t, func(t *testing.T) { steps = len(scenario(t, pick)) })
		runs++
		return steps
	}
	for begin := range 2 {
		for one := 0; ; one += stride {
			last := 0
			for two := one; ; two += stride {
				steps := run(func(step, choices int) int {
					turn := begin
					if step >= one {
						turn++
					}
					if step >= two {
						turn++
					}
					return turn % choices
				})
				if t.Failed() {
					t.Fatalf("actor %d began, turns at %d and %d", begin, one, two)
				}
				if last = max(last, steps); two >= steps {
					break
				}
			}
			if one >= last {
				break
			}
		}
	}
	for seed := range uint64(200 / stride) {
		rng := rand.New(rand.NewPCG(seed, 1))
		run(func(_, choices int) int { return rng.IntN(choices) })
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
	return runs
}

// tiny is a piece whose files are few: every call is an interleaving more.
func tiny(t *testing.T) (*shop, map[string][]byte) {
	a := newShop(t, "PRMR-a")
	a.put(1, 10)
	a.backup(first, "PRMR-a")
	m := remotetest.NewMemory()
	upload(t, m, first, a)
	return a, m.Objects()
}

// leave a storage as an upload left it that died before its manifests were written:
// all content is there and no backup needs it, until the next upload does.
func abandoned(objects map[string][]byte) *remotetest.Memory {
	m := remotetest.NewMemory()
	for name, data := range objects {
		if name != first+"/BACKUP.json" && name != first+"/PRMR-a/PIECE.json" {
			m.Change(name, data)
		}
	}
	return m
}

// An upload that counts on content that a prune is about to remove: in every order of
// their calls, the backup is whole afterwards or the upload has said that it failed;
// and the prune has not removed what is needed.
func TestPruneBesideUpload(t *testing.T) {
	a, objects := tiny(t)
	pruned := 0
	runs := explore(t, func(t *testing.T, pick func(int, int) int) []int {
		m := abandoned(objects)
		up := &actor{do: func(ctx context.Context, r storage.Remote) error {
			return transfer.NewMover(r, a.store, transfer.Timing{Tries: 1}).Upload(ctx, first, "PRMR-a")
		}}
		prune := &actor{do: func(ctx context.Context, r storage.Remote) error {
			n, err := transfer.NewRepository(r, transfer.Timing{Tries: 1}).Prune(ctx)
			if n > 0 {
				pruned++
			}
			return err
		}}
		choices := turns(t, m, []*actor{up, prune}, pick)
		require.NoError(t, up.err)
		if prune.err != nil {
			require.ErrorIs(t, prune.err, apierror.BackupConflict)
		}
		sound(t, m)
		return choices
	})
	t.Logf("%d orders, in %d of them the prune came first", runs, pruned)
	require.Positive(t, pruned)
	require.Greater(t, runs, 100)
}

// fetched downloads the backup to a fresh server.
func fetched(t *testing.T, m *remotetest.Memory) {
	t.Helper()
	c := emptyShop(t, vfs.NewMem(), "PRMR-c")
	require.NoError(t, transfer.NewMover(m.Remote(), c.store, transfer.Timing{Tries: 1}).Download(t.Context(), first, "PRMR-a"))
}

// The same backup is deleted and uploaded at once: afterwards it is whole or not
// listed, never listed and broken.
func TestDeleteBesideUpload(t *testing.T) {
	a, objects := tiny(t)
	gone, whole := 0, 0
	explore(t, func(t *testing.T, pick func(int, int) int) []int {
		m := remotetest.NewMemory()
		for name, data := range objects {
			m.Change(name, data)
		}
		up := &actor{do: func(ctx context.Context, r storage.Remote) error {
			return transfer.NewMover(r, a.store, transfer.Timing{Tries: 1}).Upload(ctx, first, "PRMR-a")
		}}
		del := &actor{do: func(ctx context.Context, r storage.Remote) error {
			return transfer.NewRepository(r, transfer.Timing{Tries: 1}).Delete(ctx, first)
		}}
		choices := turns(t, m, []*actor{del, up}, pick)
		list, err := transfer.NewRepository(m.Remote(), transfer.Timing{Tries: 1}).List(t.Context())
		require.NoError(t, err)
		switch {
		case len(list) > 0 && list[0].Complete:
			whole++
			sound(t, m)
		default:
			gone++
			_, there := m.Objects()[first+"/BACKUP.json"]
			require.False(t, there, "a manifest without its pieces")
			require.True(t, up.err != nil || del.err == nil, "neither deleted nor whole, and no error says so: %v, %v", up.err, del.err)
		}
		return choices
	})
	require.Positive(t, gone)
	require.Positive(t, whole)
}

// Deleting one backup takes nothing that another needs, also when it breaks off after
// any of its calls; a prune gives back exactly the rest.
func TestDeleteTakesNothingFromOthers(t *testing.T) {
	a := newShop(t, "PRMR-a")
	a.put(100, 3000)
	a.backup(first, "PRMR-a")
	a.put(100, 3000)
	a.backup(second, "PRMR-a")
	good := remotetest.NewMemory()
	upload(t, good, first, a)
	upload(t, good, second, a)
	once := brisk
	once.Tries = 1
	for n := 1; ; n++ {
		m := remotetest.NewMemory()
		for name, data := range good.Objects() {
			m.Change(name, data)
		}
		var calls atomic.Int64
		m.Hook = func(context.Context, remotetest.Call) error {
			if calls.Add(1) >= int64(n) {
				return fmt.Errorf("gone since call %d", n)
			}
			return nil
		}
		k := transfer.NewRepository(m.Remote(), once)
		err := k.Delete(t.Context(), first)
		if err == nil {
			_, err = k.Prune(t.Context())
		}
		m.Hook = nil
		c := emptyShop(t, vfs.NewMem(), "PRMR-c")
		require.NoError(t, transfer.NewMover(m.Remote(), c.store, once).Download(t.Context(), second, "PRMR-a"), "call %d", n)
		// Done again, it is finished: one backup is left, with its content and no more.
		if derr := k.Delete(t.Context(), first); derr != nil {
			require.ErrorIs(t, derr, apierror.NotFound)
		}
		_, perr := k.Prune(t.Context())
		require.NoError(t, perr)
		sound(t, m)
		only := remotetest.NewMemory()
		upload(t, only, second, a)
		left := m.Objects()
		maps.DeleteFunc(left, func(name string, _ []byte) bool { return strings.HasPrefix(name, "sessions/") }) // of the prune that died
		require.Equal(t, slices.Sorted(maps.Keys(only.Objects())), slices.Sorted(maps.Keys(left)), "call %d", n)
		if err == nil {
			break
		}
	}
}

// An upload that died leaves its session. A prune waits until it has not changed for
// a lease, by its own clock, and goes on; while one lives, it gives up and says so.
func TestDeadAndLivingSessions(t *testing.T) {
	a, objects := tiny(t)
	bubbles.Test(t, func(t *testing.T) {
		m := abandoned(objects)
		require.NoError(t, deadUpload(t.Context(), m.Remote(), first, "PRMR-a"))
		begin := time.Now()
		n, err := transfer.NewRepository(m.Remote(), transfer.Timing{}).Prune(t.Context())
		require.NoError(t, err)
		require.Positive(t, n)
		require.GreaterOrEqual(t, time.Since(begin), time.Minute)
		require.Empty(t, m.Objects())

		held := make(chan struct{})
		goOn := sync.OnceFunc(func() { close(held) })
		defer goOn()
		m.Hook = func(_ context.Context, c remotetest.Call) error {
			if c.Op == "put" && len(c.Name) > 6 && c.Name[:6] == "blobs/" {
				<-held
			}
			return nil
		}
		done := make(chan error, 1)
		go func() {
			done <- transfer.NewMover(m.Remote(), a.store, transfer.Timing{}).Upload(t.Context(), first, "PRMR-a")
		}()
		synctest.Wait()
		_, err = transfer.NewRepository(m.Remote(), transfer.Timing{}).Prune(t.Context())
		require.ErrorIs(t, err, apierror.BackupConflict, "it prunes beside an upload that lives")
		require.ErrorContains(t, err, "upload of backup "+first+" by PRMR-a")
		require.ErrorIs(t, transfer.NewRepository(m.Remote(), transfer.Timing{}).Delete(t.Context(), first), apierror.NotFound)
		goOn()
		require.NoError(t, <-done)
	})
}

// An upload whose process slept for so long that a prune took its session for dead
// notices, looks at all blobs again, and sends what is gone.
func TestLostSessionBeginsAnew(t *testing.T) {
	for name, there := range map[string]bool{"what was there is gone": true, "what was sent is gone": false} {
		t.Run(name, func(t *testing.T) { lostSession(t, there) })
	}
}

// lostSession has an upload find its content at the remote, or send it, and sleep.
func lostSession(t *testing.T, there bool) {
	a, objects := tiny(t)
	bubbles.Test(t, func(t *testing.T) {
		m := remotetest.NewMemory()
		if there {
			m = abandoned(objects)
		}
		asleep, slept := make(chan struct{}), false
		m.Hook = func(ctx context.Context, c remotetest.Call) error {
			if c.Op == "put" && c.Name == first+"/PRMR-a/PIECE.json" && !slept {
				slept = true
				<-asleep
			}
			if slept && c.Op == "put" && ctx.Value(sleeper{}) != nil && len(c.Name) > 9 && c.Name[:9] == "sessions/" {
				<-asleep // its renewals sleep too
			}
			return nil
		}
		done := make(chan error)
		go func() {
			ctx := context.WithValue(t.Context(), sleeper{}, true)
			done <- transfer.NewMover(m.Remote(), a.store, transfer.Timing{}).Upload(ctx, first, "PRMR-a")
		}()
		synctest.Wait()
		n, err := transfer.NewRepository(m.Remote(), transfer.Timing{}).Prune(t.Context())
		require.NoError(t, err)
		require.Positive(t, n, "the prune took the upload for dead")
		close(asleep)
		require.NoError(t, <-done)
		m.Hook = nil
		sound(t, m)
		fetched(t, m)
	})
}

type sleeper struct{}

// deadUpload leaves the session of an upload whose process has died.
func deadUpload(ctx context.Context, r storage.Remote, id, server string) error {
	short := func(s string) string { sum := sha256.Sum256([]byte(s)); return hex.EncodeToString(sum[:8]) }
	content := []byte(`{"about":"a dead upload"}`)
	return r.Put(ctx, "sessions/upload."+short(id)+"."+short(server)+".dead.0", int64(len(content)), func() (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader(content)), nil
	})
}
