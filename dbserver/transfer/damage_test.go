package transfer_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"

	"stasis/dbserver/transfer"
	"stasis/dbserver/transfer/remotetest"
	"stasis/dbserver/transfer/storage"
)

// copied is a storage with the same objects.
func copied(objects map[string][]byte) *remotetest.Memory {
	m := remotetest.NewMemory()
	for name, data := range objects {
		m.Change(name, append([]byte{}, data...))
	}
	return m
}

// flipLargest changes a bit of the largest blob.
func flipLargest(m *remotetest.Memory) (name string, size int64) {
	var content []byte
	for n, data := range m.Objects() {
		if strings.HasPrefix(n, "blobs/") && (len(data) > len(content) || len(data) == len(content) && n < name) {
			name, content = n, data
		}
	}
	content = append([]byte{}, content...)
	content[len(content)/2] ^= 1
	m.Change(name, content)
	return name, int64(len(content))
}

// marked are the marks at a storage.
func marked(m *remotetest.Memory) (names []string) {
	for name := range m.Objects() {
		if strings.HasPrefix(name, "damaged/") {
			names = append(names, name)
		}
	}
	return names
}

// Content that a verify or a download has found damaged is not taken for present: the
// next upload of any backup that has it sends exactly that again. Until then list says
// that it is damaged.
func TestDamageIsMended(t *testing.T) {
	a := newShop(t, "PRMR-a")
	a.put(100, 3000)
	a.backup(first, "PRMR-a")
	a.put(10, 3000)
	a.backup(second, "PRMR-a")
	good := remotetest.NewMemory()
	upload(t, good, first, a)
	upload(t, good, second, a)
	find := map[string]func(t *testing.T, m *remotetest.Memory){
		"verify": func(t *testing.T, m *remotetest.Memory) {
			problems, err := transfer.NewRepository(m.Remote(), brisk).Verify(t.Context())
			require.NoError(t, err)
			require.Len(t, problems, 2, "of both backups: %v", problems)
		},
		"download": func(t *testing.T, m *remotetest.Memory) {
			c := emptyShop(t, vfs.NewMem(), "PRMR-c")
			require.Error(t, transfer.NewMover(m.Remote(), c.store, brisk).Download(t.Context(), first, "PRMR-a"))
		},
	}
	for finder, find := range find {
		t.Run(finder, func(t *testing.T) {
			m := copied(good.Objects())
			name, size := flipLargest(m)
			up := func(id string) int64 {
				u := transfer.NewMover(m.Remote(), a.store, brisk)
				require.NoError(t, u.Upload(t.Context(), id, "PRMR-a"))
				return u.Moved()
			}
			require.Zero(t, up(first), "it has not been read: by name and size it is there")
			find(t, m)
			require.Equal(t, []string{"damaged/" + name[strings.LastIndex(name, "/")+1:]}, marked(m))
			list, err := transfer.NewRepository(m.Remote(), brisk).List(t.Context())
			require.NoError(t, err)
			require.Equal(t, []int{1, 1}, []int{list[0].Damaged, list[1].Damaged})
			require.Equal(t, size, up(second), "another backup's upload sends that file and no other")
			require.Empty(t, marked(m))
			sound(t, m)
			require.Equal(t, good.Objects(), m.Objects())
		})
	}
}

// A mark stays as long as the content is damaged, and no longer: what was mended in
// another way loses it with the next verify, what is not needed any more with a prune.
// An upload that brings other content than it should keeps it.
func TestMarksGo(t *testing.T) {
	a, objects := tiny(t)
	m := copied(objects)
	name, _ := flipLargest(m)
	k := transfer.NewRepository(m.Remote(), brisk)
	verify := func(problems int) {
		t.Helper()
		found, err := k.Verify(t.Context())
		require.NoError(t, err)
		require.Len(t, found, problems)
	}
	verify(1)
	verify(1)
	require.Len(t, marked(m), 1)
	m.Change(name, objects[name])
	verify(0)
	require.Empty(t, marked(m))

	_, _ = flipLargest(m)
	verify(1)
	damaged := m.Objects()[name]
	m.Hook = func(_ context.Context, c remotetest.Call) error {
		if c.Op == "open" && c.Name == name {
			m.Change(name, damaged) // it does not get better
		}
		return nil
	}
	err := transfer.NewMover(m.Remote(), a.store, brisk).Upload(t.Context(), first, "PRMR-a")
	require.ErrorContains(t, err, "it was sent again and has changed content")
	m.Hook = nil
	require.Len(t, marked(m), 1)

	// A remote that checks what it has, and gives nothing: damaged as well.
	m = copied(objects)
	k = transfer.NewRepository(m.Remote(), brisk)
	m.Hook = func(_ context.Context, c remotetest.Call) error {
		if c.Op == "open" && c.Name == name {
			return errors.New("bad sector")
		}
		return nil
	}
	found, err := k.Verify(t.Context())
	require.NoError(t, err)
	require.Len(t, found, 1)
	require.Contains(t, found[0], "cannot be read: bad sector")
	m.Hook = nil
	require.Len(t, marked(m), 1)

	require.NoError(t, k.Delete(t.Context(), first))
	_, err = k.Prune(t.Context())
	require.NoError(t, err)
	require.Empty(t, m.Objects())
}

// A verify that breaks off after any of its calls does no harm and loses no finding
// for good: the next one marks the damage, and an upload mends it. A remote that takes
// no marks is verified all the same, and says so.
func TestVerifyBreaksOff(t *testing.T) {
	a, objects := tiny(t)
	once := brisk
	once.Tries = 1
	for n := 1; ; n++ {
		m := copied(objects)
		flipLargest(m)
		var calls atomic.Int64
		m.Hook = func(context.Context, remotetest.Call) error {
			if calls.Add(1) >= int64(n) {
				return fmt.Errorf("gone since call %d", n)
			}
			return nil
		}
		problems, err := transfer.NewRepository(m.Remote(), once).Verify(t.Context())
		over := calls.Load() < int64(n)
		m.Hook = nil
		if err == nil && !over { // only the mark was not taken
			require.Len(t, problems, 2, "call %d: %v", n, problems)
			require.Contains(t, problems[0], "mark blobs/")
		}
		_, err = transfer.NewRepository(m.Remote(), once).Verify(t.Context())
		require.NoError(t, err)
		upload(t, m, first, a)
		require.Equal(t, objects, m.Objects(), "call %d", n)
		if over {
			break
		}
	}
}

// Damage is found by a verify while the backup is uploaded: in every order of their
// calls the damage is mended by then, or marked, so that the next upload mends it.
func TestVerifyBesideUpload(t *testing.T) {
	a, objects := tiny(t)
	mended, left := 0, 0
	exploreEvery(t, 3, func(t *testing.T, pick func(int, int) int) []int {
		m := copied(objects)
		name, _ := flipLargest(m)
		up := &actor{do: func(ctx context.Context, r storage.Remote) error {
			return transfer.NewMover(r, a.store, transfer.Timing{Tries: 1}).Upload(ctx, first, "PRMR-a")
		}}
		verify := &actor{do: func(ctx context.Context, r storage.Remote) error {
			_, err := transfer.NewRepository(r, transfer.Timing{Tries: 1}).Verify(ctx)
			return err
		}}
		choices := turns(t, m, []*actor{verify, up}, pick)
		require.NoError(t, up.err)
		require.NoError(t, verify.err)
		if string(m.Objects()[name]) == string(objects[name]) {
			mended++
		} else {
			left++
			require.Len(t, marked(m), 1, "damaged and not marked")
		}
		upload(t, m, first, a)
		require.Equal(t, objects, m.Objects())
		return choices
	})
	require.Positive(t, mended)
	require.Positive(t, left)
}

// A list and a verify beside a delete, a delete beside a prune: none fails for what the
// other does, and what is being deleted is not called damaged.
func TestLookingBesideDelete(t *testing.T) {
	_, objects := tiny(t)
	look := map[string]func(ctx context.Context, k transfer.Repository) error{
		"list": func(ctx context.Context, k transfer.Repository) error { _, err := k.List(ctx); return err },
		"verify": func(ctx context.Context, k transfer.Repository) error {
			problems, err := k.Verify(ctx)
			for _, p := range problems {
				if !strings.Contains(p, "BACKUP.json is missing") { // a piece whose backup is gone already
					err = fmt.Errorf("called damaged: %v", problems)
				}
			}
			return err
		},
		"prune": func(ctx context.Context, k transfer.Repository) error { _, err := k.Prune(ctx); return err },
	}
	for name, look := range look {
		t.Run(name, func(t *testing.T) {
			explore(t, func(t *testing.T, pick func(int, int) int) []int {
				m := copied(objects)
				timing := transfer.Timing{Tries: 1}
				one := &actor{do: func(ctx context.Context, r storage.Remote) error { return look(ctx, transfer.NewRepository(r, timing)) }}
				del := &actor{do: func(ctx context.Context, r storage.Remote) error {
					return transfer.NewRepository(r, timing).Delete(ctx, first)
				}}
				choices := turns(t, m, []*actor{one, del}, pick)
				require.NoError(t, one.err)
				require.NoError(t, del.err)
				_, err := transfer.NewRepository(m.Remote(), timing).Prune(t.Context())
				require.NoError(t, err)
				require.Empty(t, m.Objects())
				return choices
			})
		})
	}
}
