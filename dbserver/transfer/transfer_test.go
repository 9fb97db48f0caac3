package transfer_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
	"github.com/stretchr/testify/require"

	"stasis/dbserver/backup"
	"stasis/dbserver/transfer"
	"stasis/dbserver/transfer/remotetest"
	"stasis/dbserver/transfer/storage"
	"stasis/internal/apierror"
	"stasis/internal/bubbles"
)

func TestFakeKeepsTheContract(t *testing.T) {
	m := remotetest.NewMemory()
	remotetest.Suite(t, func(*testing.T) storage.Remote { return m.Remote() })
}

// upload sends the pieces of some servers.
func upload(t testing.TB, m *remotetest.Memory, id string, shops ...*shop) {
	t.Helper()
	var servers []string
	for _, s := range shops {
		servers = append(servers, s.id)
	}
	for _, s := range shops {
		require.NoError(t, transfer.NewMover(m.Remote(), s.store, brisk).Upload(t.Context(), id, servers...))
	}
}

func sound(t testing.TB, m *remotetest.Memory) {
	t.Helper()
	problems, err := transfer.NewRepository(m.Remote(), brisk).Verify(t.Context())
	require.NoError(t, err)
	require.Empty(t, problems, "what is at the remote is not whole")
}

// What goes up comes down the same, on servers with other ids; the backup is there
// only when all pieces are; the remote keeps no session.
func TestUploadAndDownload(t *testing.T) {
	m := remotetest.NewMemory()
	a, b := newShop(t, "PRMR-a"), newShop(t, "PRMR-b")
	for _, s := range []*shop{a, b} {
		s.put(300, 3000)
		s.backup(first, "PRMR-a", "PRMR-b")
	}
	require.NoError(t, transfer.NewMover(m.Remote(), a.store, brisk).Upload(t.Context(), first, "PRMR-a", "PRMR-b"))
	list, err := transfer.NewRepository(m.Remote(), brisk).List(t.Context())
	require.NoError(t, err)
	require.Len(t, list, 1)
	require.False(t, list[0].Complete, "one piece of two")
	c := emptyShop(t, vfs.NewMem(), "PRMR-c")
	require.ErrorIs(t, transfer.NewMover(m.Remote(), c.store, brisk).Download(t.Context(), first, "PRMR-a"), apierror.NoSuchBackup)

	require.NoError(t, transfer.NewMover(m.Remote(), b.store, brisk).Upload(t.Context(), first, "PRMR-a", "PRMR-b"))
	list, err = transfer.NewRepository(m.Remote(), brisk).List(t.Context())
	require.NoError(t, err)
	require.True(t, list[0].Complete)
	require.Equal(t, []string{"PRMR-a", "PRMR-b"}, list[0].Servers)
	require.Positive(t, list[0].SizeInBytes)
	sound(t, m)
	for name := range m.Objects() {
		require.False(t, strings.HasPrefix(name, "sessions/"), name)
	}

	require.NoError(t, transfer.NewMover(m.Remote(), c.store, brisk).Parallel(4).Download(t.Context(), first, "PRMR-b"))
	c.intact(first)
	require.Equal(t, b.files(first), c.files(first))
	require.Equal(t, []string{first}, c.leftovers())
	// Again: there is nothing to do. Another piece of that backup: refused.
	again := transfer.NewMover(m.Remote(), c.store, brisk)
	require.NoError(t, again.Download(t.Context(), first, "PRMR-b"))
	require.Zero(t, again.Moved())
	require.ErrorIs(t, again.Download(t.Context(), first, "PRMR-a"), apierror.BackupConflict)
}

// Content that is at the remote is not sent again, whichever backup it was sent for;
// nor is it fetched when another piece here has it, which is then linked.
func TestIncremental(t *testing.T) {
	m := remotetest.NewMemory()
	a := newShop(t, "PRMR-a")
	a.put(5000, 3000)
	a.backup(first, "PRMR-a")
	upload(t, m, first, a)
	once, _ := m.Sent()
	a.put(50, 3000)
	a.backup(second, "PRMR-a")
	upload(t, m, second, a)
	both, _ := m.Sent()
	require.Less(t, float64(both-once), 0.05*float64(once), "1 %% changed: %d bytes after %d", both-once, once)

	upload(t, m, second, a)
	same, _ := m.Sent()
	require.Equal(t, both, same, "nothing changed: nothing sent")

	c := emptyShop(t, vfs.NewMem(), "PRMR-c")
	get := transfer.NewMover(m.Remote(), c.store, brisk)
	require.NoError(t, get.Download(t.Context(), first, "PRMR-a"))
	all := get.Moved()
	get = transfer.NewMover(m.Remote(), c.store, brisk)
	require.NoError(t, get.Download(t.Context(), second, "PRMR-a"))
	require.Less(t, get.Moved(), all/20)
	c.intact(first)
	c.intact(second)
	require.NoError(t, c.store.Published.Delete(first), "links of one another: each lives alone")
	c.intact(second)
}

// Level 1: every single call to the remote fails once, for good. The upload fails
// cleanly; the next one sends only what is missing, and all is sound. Likewise down.
func TestEveryCallFails(t *testing.T) {
	once := brisk
	once.Tries = 1
	a := newShop(t, "PRMR-a")
	a.put(100, 3000)
	a.backup(first, "PRMR-a")
	content, err := a.store.Published.Content(t.Context(), first)
	require.NoError(t, err)
	full := remotetest.NewMemory()
	upload(t, full, first, a)
	broken := errors.New("the remote is gone")
	failAt := func(m *remotetest.Memory, n int) (fired *atomic.Bool) {
		fired = new(atomic.Bool)
		var calls atomic.Int64 // a session is renewed beside the transfer
		m.Hook = func(context.Context, remotetest.Call) error {
			if calls.Add(1) == int64(n) {
				fired.Store(true)
				return broken
			}
			return nil
		}
		return fired
	}
	for n := 1; ; n++ {
		m := remotetest.NewMemory()
		fired := failAt(m, n)
		err := transfer.NewMover(m.Remote(), a.store, once).Upload(t.Context(), first, "PRMR-a")
		if !fired.Load() {
			require.NoError(t, err)
			require.Greater(t, n, 2*len(content.Files), "the fault fired everywhere")
			break
		}
		m.Hook = nil
		half, _ := m.Sent()
		upload(t, m, first, a)
		sound(t, m)
		total, _ := m.Sent()
		require.Equal(t, content.Bytes(), total, "call %d: %d bytes had been sent before", n, half)
	}
	for n := 1; ; n++ {
		m := remotetest.NewMemory()
		for name, data := range full.Objects() {
			m.Change(name, data)
		}
		c := emptyShop(t, vfs.NewMem(), "PRMR-c")
		fired := failAt(m, n)
		err := transfer.NewMover(m.Remote(), c.store, once).Download(t.Context(), first, "PRMR-a")
		if !fired.Load() {
			require.NoError(t, err)
			break
		}
		require.ErrorIs(t, err, broken, "call %d", n)
		require.Empty(t, c.listed(), "nothing half-downloaded is listed")
		_, err = c.store.Published.Content(t.Context(), first)
		require.ErrorIs(t, err, apierror.FileNotFound)
		m.Hook = nil
		again := transfer.NewMover(m.Remote(), c.store, once)
		require.NoError(t, again.Download(t.Context(), first, "PRMR-a"))
		require.LessOrEqual(t, again.Moved(), content.Bytes())
		require.Equal(t, a.files(first), c.files(first))
	}
}

// Errors that pass are tried again, with growing pauses; final ones are not.
func TestPatience(t *testing.T) {
	a := newShop(t, "PRMR-a")
	a.put(10, 100)
	a.backup(first, "PRMR-a")
	bubbles.Test(t, func(t *testing.T) {
		m := remotetest.NewMemory()
		calls := map[remotetest.Call]int{}
		m.Hook = func(_ context.Context, c remotetest.Call) error {
			if strings.HasPrefix(c.Name, "sessions/") {
				return nil
			}
			if calls[c]++; calls[c] < 4 {
				return fmt.Errorf("HTTP 503 at %v", c)
			}
			return nil
		}
		begin := time.Now()
		require.NoError(t, transfer.NewMover(m.Remote(), a.store, transfer.Timing{}).Upload(t.Context(), first, "PRMR-a"))
		require.Greater(t, time.Since(begin), 10*time.Second)
		m.Hook = func(context.Context, remotetest.Call) error { return fmt.Errorf("%w: forbidden", storage.ErrFinal) }
		begin = time.Now()
		require.ErrorIs(t, transfer.NewMover(m.Remote(), a.store, transfer.Timing{}).Upload(t.Context(), first, "PRMR-a"), storage.ErrFinal)
		require.Zero(t, time.Since(begin))
	})
}

// A flipped bit, a missing object, a shorter, a longer and a foreign one are found and
// named, by a download and by verify, wherever they are; nothing is published.
func TestDamageAtTheRemote(t *testing.T) {
	a := newShop(t, "PRMR-a")
	a.put(100, 3000)
	a.backup(first, "PRMR-a")
	good := remotetest.NewMemory()
	upload(t, good, first, a)
	damage := map[string]func([]byte) []byte{
		"flipped": func(b []byte) []byte { b[len(b)/2] ^= 4; return b },
		"missing": func([]byte) []byte { return nil },
		"shorter": func(b []byte) []byte { return b[:len(b)-1] },
		"longer":  func(b []byte) []byte { return append(b, 'x') },
	}
	for name, content := range good.Objects() {
		if len(content) == 0 {
			continue
		}
		for kind, change := range damage {
			m := remotetest.NewMemory()
			for n, data := range good.Objects() {
				m.Change(n, append([]byte{}, data...))
			}
			m.Change(name, change(append([]byte{}, content...)))
			c := emptyShop(t, vfs.NewMem(), "PRMR-c")
			err := transfer.NewMover(m.Remote(), c.store, brisk).Download(t.Context(), first, "PRMR-a")
			if err == nil { // a change that says the same, such as of a blank in JSON
				require.Equal(t, a.files(first), c.files(first), "%s %s", name, kind)
				continue
			}
			require.Empty(t, c.listed(), "%s %s", name, kind)
			if strings.HasPrefix(name, "blobs/") {
				require.ErrorContains(t, err, name, kind)
			}
			problems, verr := transfer.NewRepository(m.Remote(), brisk).Verify(t.Context())
			require.NoError(t, verr)
			require.NotEmpty(t, problems, "%s %s", name, kind)
			if strings.HasPrefix(name, "blobs/") {
				require.Contains(t, strings.Join(problems, "\n"), name, kind)
			}
		}
	}
}

// A piece that is damaged here is not sent: the file is named.
func TestDamageHere(t *testing.T) {
	a := newShop(t, "PRMR-a")
	a.put(100, 3000)
	a.backup(first, "PRMR-a")
	content, err := a.store.Published.Content(t.Context(), first)
	require.NoError(t, err)
	victim := content.Files[0]
	f, err := a.fs.OpenReadWrite("data/backups/"+first+"/"+victim.Name, vfs.WriteCategoryUnspecified)
	require.NoError(t, err)
	_, err = f.WriteAt([]byte{0xff, 0xfe, 0xfd}, victim.Size/2)
	require.NoError(t, err)
	require.NoError(t, f.Close())
	m := remotetest.NewMemory()
	err = transfer.NewMover(m.Remote(), a.store, brisk).Upload(t.Context(), first, "PRMR-a")
	require.ErrorIs(t, err, backup.ErrContent)
	require.ErrorContains(t, err, victim.Name)
	require.NotContains(t, m.Objects(), first+"/BACKUP.json")
}

// A remote that runs full fails the upload; when there is space again, it goes on.
func TestRemoteFull(t *testing.T) {
	a := newShop(t, "PRMR-a")
	a.put(200, 3000)
	a.backup(first, "PRMR-a")
	m := remotetest.NewMemory()
	m.Limit = 300 << 10
	require.ErrorContains(t, transfer.NewMover(m.Remote(), a.store, brisk).Upload(t.Context(), first, "PRMR-a"), "no space left at the remote")
	m.Limit = 0
	upload(t, m, first, a)
	sound(t, m)
}

// A disk that runs full fails the download with its number, and gets its space back.
func TestDiskFull(t *testing.T) {
	a := newShop(t, "PRMR-a")
	a.put(200, 3000)
	a.backup(first, "PRMR-a")
	m := remotetest.NewMemory()
	upload(t, m, first, a)
	full := false
	fs := errorfs.Wrap(vfs.NewMem(), errorfs.InjectorFunc(func(op errorfs.Op) error {
		if full && op.Kind == errorfs.OpFileWrite && strings.Contains(op.Path, "engine") {
			return syscall.ENOSPC
		}
		return nil
	}))
	c := emptyShop(t, fs, "PRMR-c")
	full = true
	err := transfer.NewMover(m.Remote(), c.store, brisk).Download(t.Context(), first, "PRMR-a")
	require.ErrorIs(t, err, apierror.NoSpace)
	require.Empty(t, c.leftovers())
	full = false
	require.NoError(t, transfer.NewMover(m.Remote(), c.store, brisk).Download(t.Context(), first, "PRMR-a"))
	c.intact(first)
}

// A bandwidth limit is kept.
func TestBandwidth(t *testing.T) {
	a := newShop(t, "PRMR-a")
	a.put(1000, 3000)
	a.backup(first, "PRMR-a")
	content, err := a.store.Published.Content(t.Context(), first)
	require.NoError(t, err)
	bubbles.Test(t, func(t *testing.T) {
		m := remotetest.NewMemory()
		begin := time.Now()
		require.NoError(t, transfer.NewMover(m.Remote(), a.store, transfer.Timing{}).Limit(100<<10).Upload(t.Context(), first, "PRMR-a"))
		want := time.Duration(float64(content.Bytes()-256<<10) / float64(100<<10) * float64(time.Second))
		require.InDelta(t, want.Seconds(), time.Since(begin).Seconds(), want.Seconds()/10+1)
	})
}

// No more files move at once than was asked for, and so many do.
func TestFilesAtOnce(t *testing.T) {
	bubbles.Test(t, func(t *testing.T) {
		m := remotetest.NewMemory()
		a := newShop(t, "PRMR-a")
		a.put(3000, 3000)
		a.backup(first, "PRMR-a")
		var now, most atomic.Int32
		m.Hook = func(ctx context.Context, c remotetest.Call) error {
			if (c.Op != "put" && c.Op != "open") || !storage.Immutable(c.Name) {
				return nil
			}
			n := now.Add(1)
			defer now.Add(-1)
			for was := most.Load(); n > was && !most.CompareAndSwap(was, n); was = most.Load() {
			}
			time.Sleep(time.Second)
			return nil
		}
		timing := transfer.Timing{Lease: time.Hour}
		require.NoError(t, transfer.NewMover(m.Remote(), a.store, timing).Parallel(3).Upload(t.Context(), first, "PRMR-a"))
		require.EqualValues(t, 3, most.Swap(0), "upload")
		c := emptyShop(t, vfs.NewMem(), "PRMR-c")
		require.NoError(t, transfer.NewMover(m.Remote(), c.store, timing).Parallel(2).Download(t.Context(), first, "PRMR-a"))
		require.EqualValues(t, 2, most.Load(), "download")
	})
}
