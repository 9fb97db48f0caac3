package scrub

import (
	"context"
	"errors"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/hashicorp/go-hclog"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"stasis/dbserver/engine/sums"
	"stasis/internal/bubbles"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// disk counts the bytes that are read of each table.
type disk struct {
	vfs.FS
	mu   sync.Mutex
	read map[string]int
	fail func() error // of each Open; nil: none fails
}

// bytes are those read so far, by table.
func (d *disk) bytes() map[string]int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return maps.Clone(d.read)
}

func (d *disk) Open(name string, o ...vfs.OpenOption) (vfs.File, error) {
	if d.fail != nil {
		if err := d.fail(); err != nil {
			return nil, err
		}
	}
	f, err := d.FS.Open(name, o...)
	return &counted{File: f, disk: d, name: d.PathBase(name)}, err
}

type counted struct {
	vfs.File
	disk *disk
	name string
}

func (f *counted) Read(p []byte) (int, error) {
	n, err := f.File.Read(p)
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	f.disk.read[f.name] += n
	return n, err
}

// engine is what a Scrubber knows of one.
type engine struct {
	t    *testing.T
	disk *disk
	book *sums.Book
	hold atomic.Bool
	bad  atomic.Bool // every check finds damage

	mu      sync.Mutex
	tables  []string
	checked []string
	found   []string
	failed  []error
}

// does is done with what the Scrubber uses, too.
func (e *engine) does(f func()) {
	e.mu.Lock()
	defer e.mu.Unlock()
	f()
}

// says is what the Scrubber has found, and which tables it has checked.
func (e *engine) says() (found, checked []string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Clone(e.found), slices.Clone(e.checked)
}

func (e *engine) listed() (all []string, _ error) {
	e.does(func() { all = slices.Clone(e.tables) })
	return all, nil
}

func newEngine(t *testing.T) *engine {
	mem := vfs.NewMem()
	require.NoError(t, mem.MkdirAll("e", 0o700))
	return &engine{t: t, disk: &disk{FS: mem, read: map[string]int{}}, book: sums.New(mem, "e", hclog.NewNullLogger())}
}

// write makes a table, with a sum or without.
func (e *engine) write(name string, size int, summed bool) {
	e.t.Helper()
	path := "e/" + name
	f, err := e.disk.Create(path, vfs.WriteCategoryUnspecified)
	if summed {
		f, err = e.book.Writing(path, f, err)
	}
	require.NoError(e.t, err)
	_, err = io.Copy(f, strings.NewReader(strings.Repeat("x", size)))
	require.NoError(e.t, errors.Join(err, f.Close()))
	e.book.Installed(name)
	e.does(func() { e.tables = append(e.tables, name) })
}

func (e *engine) rot(name string) {
	e.t.Helper()
	f, err := e.disk.OpenReadWrite("e/"+name, vfs.WriteCategoryUnspecified)
	require.NoError(e.t, err)
	_, err = f.WriteAt([]byte("y"), 7)
	require.NoError(e.t, errors.Join(err, f.Close()))
}

// scrub runs a Scrubber until the end of the test.
func (e *engine) scrub() {
	s := &Scrubber{
		FS: e.disk, Dir: "e", Book: e.book, Tables: e.listed,
		Check: func(_ vfs.FS, path string) error {
			e.does(func() { e.checked = append(e.checked, path) })
			if e.bad.Load() {
				return Damage(errors.New("a block"))
			}
			return nil
		},
		Hold: e.hold.Load, Found: func(table string, _ error) { e.does(func() { e.found = append(e.found, table) }) },
		Failed: func(err error) { e.does(func() { e.failed = append(e.failed, err) }) },
	}
	ctx, cancel := context.WithCancel(e.t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.Run(ctx)
	}()
	e.t.Cleanup(func() {
		cancel()
		<-done
	})
}

// Each table is read once when it has lived for a while, and again after a week.
func TestTablesAreReadOnceAndAgain(t *testing.T) {
	bubbles.Test(t, func(t *testing.T) {
		e := newEngine(t)
		e.write("000001.sst", 1000, true)
		e.scrub()
		time.Sleep(look + look/2)
		require.Empty(t, e.disk.bytes(), "it may be gone soon")
		e.write("000002.sst", 2000, true)
		time.Sleep(look)
		require.Equal(t, map[string]int{"000001.sst": 1000}, e.disk.bytes())
		e.write("000003.sst", 3000, true)
		e.does(func() { e.tables = e.tables[:2] })
		time.Sleep(again - time.Hour)
		require.Equal(t, map[string]int{"000001.sst": 1000, "000002.sst": 2000}, e.disk.bytes(), "once, and not what was removed")
		time.Sleep(2 * time.Hour)
		require.Equal(t, map[string]int{"000001.sst": 2000, "000002.sst": 4000}, e.disk.bytes())
		found, checked := e.says()
		require.Empty(t, found)
		require.Empty(t, checked, "the sum says more")
	})
}

func TestRotIsFound(t *testing.T) {
	bubbles.Test(t, func(t *testing.T) {
		e := newEngine(t)
		for _, name := range []string{"000001.sst", "000002.sst", "000003.sst"} {
			e.write(name, 1000, true)
		}
		e.rot("000002.sst")
		e.scrub()
		time.Sleep(4 * look)
		found, _ := e.says()
		require.Equal(t, []string{"000002.sst"}, found, "the damage is not found")
		require.ErrorContains(t, e.book.Damage("000002.sst"), "SHA-256")
		require.NoError(t, e.book.Damage("000001.sst"))
		require.Equal(t, 1000, e.disk.bytes()["000003.sst"], "the others are read all the same")

		e.rot("000003.sst")
		time.Sleep(again + look)
		found, _ = e.says()
		require.Equal(t, []string{"000002.sst", "000003.sst"}, found, "once for each, and what rots later")
		e.book.Forget("e/000002.sst")
		require.NoError(t, e.book.Damage("000002.sst"), "it is gone")
	})
}

// A table without a sum is checked by its own checksums, before all others, and then has one.
func TestTableWithoutASumGetsIt(t *testing.T) {
	bubbles.Test(t, func(t *testing.T) {
		e := newEngine(t)
		e.write("000001.sst", 1000, true)
		e.write("000002.sst", 1000, false)
		e.scrub()
		time.Sleep(3 * look)
		_, checked := e.says()
		require.Equal(t, []string{"e/000002.sst"}, checked)
		with, _ := e.book.Of("000001.sst")
		got, known := e.book.Of("000002.sst")
		require.True(t, known)
		require.Equal(t, with.SHA256, got.SHA256, "of the same bytes")
		require.EqualValues(t, 1000, got.Size)

		e.bad.Store(true)
		e.write("000003.sst", 1000, false)
		time.Sleep(3 * look)
		found, _ := e.says()
		require.Equal(t, []string{"000003.sst"}, found)
		_, known = e.book.Of("000003.sst")
		require.False(t, known, "a damaged table has a sum")
	})
}

// A scrub takes its time, and stands still while the engine says so.
func TestScrubIsSlowAndHoldsBack(t *testing.T) {
	bubbles.Test(t, func(t *testing.T) {
		e := newEngine(t)
		const size = 4 * rate
		e.write("000001.sst", size, true)
		e.scrub()
		time.Sleep(2*look + 2*time.Second)
		before := e.disk.bytes()["000001.sst"]
		require.InDelta(t, size/2, before, 2*chunk)

		e.hold.Store(true)
		time.Sleep(time.Second)
		held := e.disk.bytes()["000001.sst"]
		require.LessOrEqual(t, held-before, chunk, "it reads while it is to hold back")
		time.Sleep(time.Hour)
		require.Equal(t, held, e.disk.bytes()["000001.sst"], "it reads while it is to hold back")
		e.hold.Store(false)
		time.Sleep(3 * time.Second)
		require.Equal(t, size, e.disk.bytes()["000001.sst"])
		found, _ := e.says()
		require.Empty(t, found)
	})
}
