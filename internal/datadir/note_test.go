package datadir

import (
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
	"github.com/stretchr/testify/require"
)

// TestNotes: a note is there whole or as it was, also when its writing fails.
func TestNotes(t *testing.T) {
	disks(t, func(t *testing.T, disk disk) {
		d := disk.open(t, Agent)
		raw, err := d.ReadNote("NOTE")
		require.NoError(t, err)
		require.Nil(t, raw)
		require.NoError(t, d.RemoveNote("NOTE"))
		for _, text := range []string{"first", "the second is longer", "3"} {
			require.NoError(t, d.WriteNote("NOTE", []byte(text)))
			raw, err = d.ReadNote("NOTE")
			require.NoError(t, err)
			require.Equal(t, text, string(raw))
		}
		require.NoError(t, d.RemoveNote("NOTE"))
		raw, err = d.ReadNote("NOTE")
		require.NoError(t, err)
		require.Nil(t, raw)
		require.NoError(t, d.Close())
	})
}

// TestNoteFails: whichever operation fails, the note from before is there and the
// failure is told; what a crash leaves is one of the two.
func TestNoteFails(t *testing.T) {
	for at := int32(0); ; at++ {
		mem := vfs.NewCrashableMem()
		d, err := Open(mem, "/d", Agent, nil)
		require.NoError(t, err)
		require.NoError(t, d.WriteNote("NOTE", []byte("before")))
		trap := errorfs.OnIndex(at)
		failing := &Dir{fs: errorfs.Wrap(mem, errorfs.ErrInjected.If(trap)), path: "/d"}
		err = failing.WriteNote("NOTE", []byte("after"))
		done := trap.Index.Load() >= 0 // it was never reached
		require.Equal(t, done, err == nil, "operation %d: %v", at, err)
		crashed := mem.CrashClone(vfs.CrashCloneCfg{})
		raw, rerr := (&Dir{fs: crashed, path: "/d"}).ReadNote("NOTE")
		require.NoError(t, rerr)
		if done {
			require.Equal(t, "after", string(raw))
			require.Greater(t, at, int32(3))
			require.NoError(t, d.Close())
			return
		}
		require.Contains(t, []string{"before", "after"}, string(raw))
		require.NoError(t, d.Close())
	}
}
