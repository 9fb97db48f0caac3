package scrub

import (
	"errors"
	"slices"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stasis/internal/bubbles"
)

// complaints are what the Scrubber could not say.
func (e *engine) complaints() []error {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Clone(e.failed)
}

// A table that cannot be read for a while, or was misread once, is not damaged: backups would fail.
func TestIntactTableIsNotCalledDamaged(t *testing.T) {
	for name, c := range map[string]struct {
		err   error
		times int64
	}{
		"too many open files": {syscall.EMFILE, 1 << 40},
		"no memory":           {syscall.ENOMEM, 3},
		"misread once":        {syscall.EIO, 1},
	} {
		t.Run(name, func(t *testing.T) {
			bubbles.Test(t, func(t *testing.T) {
				e := newEngine(t)
				var left atomic.Int64
				left.Store(c.times)
				e.disk.fail = func() error {
					if left.Add(-1) >= 0 {
						return c.err
					}
					return nil
				}
				e.write("000001.sst", 1000, true)
				e.scrub()
				time.Sleep(time.Hour)
				found, _ := e.says()
				require.Empty(t, found, "an intact table is called damaged")
				require.NoError(t, e.book.Damage("000001.sst"), "an intact table is called damaged")
				require.NotEmpty(t, e.complaints(), "nothing is told")
				require.LessOrEqual(t, len(e.complaints()), 7, "no more than six times in an hour")
				left.Store(0)
				time.Sleep(retry + 2*look)
				require.False(t, e.book.LastRead("000001.sst").IsZero(), "it is read when that is possible")
			})
		})
	}
}

// What the disk fails to read again and again is damage, until it can be read.
func TestDamageEndsWhenTheTableIsReadAsWritten(t *testing.T) {
	bubbles.Test(t, func(t *testing.T) {
		e := newEngine(t)
		var bad atomic.Bool
		bad.Store(true)
		e.disk.fail = func() error {
			if bad.Load() {
				return syscall.EIO
			}
			return nil
		}
		e.write("000001.sst", 1000, true)
		e.scrub()
		time.Sleep(time.Hour)
		found, _ := e.says()
		require.Equal(t, []string{"000001.sst"}, found, "told once")
		require.ErrorIs(t, e.book.Damage("000001.sst"), syscall.EIO)
		bad.Store(false)
		time.Sleep(retry + 2*look)
		require.NoError(t, e.book.Damage("000001.sst"))
	})
}

// A table that the engine has and the disk has not is damaged; one that the engine removed is not.
func TestMissingTable(t *testing.T) {
	bubbles.Test(t, func(t *testing.T) {
		e := newEngine(t)
		e.write("000001.sst", 1000, true)
		e.write("000002.sst", 1000, true)
		e.book.Forget("e/000002.sst")
		require.NoError(t, errors.Join(e.disk.Remove("e/000001.sst"), e.disk.Remove("e/000002.sst")))
		e.scrub()
		time.Sleep(time.Hour)
		found, _ := e.says()
		require.Equal(t, []string{"000001.sst"}, found)
	})
}

// A pass through a large engine takes hours. A table that was written meanwhile, and has no sum, does not
// wait for its end.
func TestNewTableDoesNotWaitForAPassToEnd(t *testing.T) {
	bubbles.Test(t, func(t *testing.T) {
		e := newEngine(t)
		e.disk.fail = func() error {
			time.Sleep(look + time.Second) // as if the table were large
			return nil
		}
		for _, name := range []string{"000001.sst", "000002.sst", "000003.sst", "000004.sst", "000005.sst", "000006.sst"} {
			e.write(name, 1000, true)
		}
		e.scrub()
		time.Sleep(2*look + time.Second)
		e.write("000007.sst", 1000, false)
		time.Sleep(5 * look)
		_, known := e.book.Of("000007.sst")
		require.True(t, known, "it waits for all others")
		require.Zero(t, e.disk.bytes()["000006.sst"], "the pass is over: the test proves nothing")
	})
}
