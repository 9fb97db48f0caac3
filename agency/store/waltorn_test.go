package store

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/raft"
	"github.com/stretchr/testify/require"
)

// torn writes entries to a log, changes the file of its segment, and opens the log again.
func torn(t *testing.T, change func(raw []byte) []byte) (*Store, error) {
	t.Helper()
	fs := vfs.NewMem()
	open := func() (*Store, error) {
		return Open(Config{Dir: "agent", FS: fs, Logger: hclog.NewNullLogger()})
	}
	s, err := open()
	require.NoError(t, err)
	require.NoError(t, s.Stable.SetUint64([]byte(keyTerm), 1))
	for i := range uint64(5) {
		require.NoError(t, s.Log.StoreLog(&raft.Log{Index: i + 1, Term: 1, Type: raft.LogNoop, Data: fmt.Appendf(nil, "entry %d", i+1)}))
	}
	require.NoError(t, s.Close())
	path := segmentIn(t, fs, "agent")
	raw, err := readFile(fs, path)
	require.NoError(t, err)
	f, err := fs.Create(path, vfs.WriteCategoryUnspecified)
	require.NoError(t, err)
	_, err = f.Write(change(raw))
	require.NoError(t, err)
	require.NoError(t, f.Sync())
	require.NoError(t, f.Close())
	return open()
}

// segmentIn is the one file of a log below a folder.
func segmentIn(t *testing.T, fs vfs.FS, dir string) string {
	t.Helper()
	names, err := fs.List(dir)
	require.NoError(t, err)
	for _, name := range names {
		path := fs.PathJoin(dir, name)
		if info, err := fs.Stat(path); err == nil && info.IsDir() {
			if found := segmentIn(t, fs, path); found != "" {
				return found
			}
		} else if len(name) > 4 && name[len(name)-4:] == ".wal" {
			return path
		}
	}
	return ""
}

// headerOf is where the frame of an entry begins.
func headerOf(t *testing.T, raw []byte, entry int) int {
	t.Helper()
	at := bytes.Index(raw, fmt.Appendf(nil, "entry %d", entry))
	require.Positive(t, at)
	for at -= at % walFrameLen; raw[at] != 1 || raw[at+1] != 0 || raw[at+2] != 0 || raw[at+3] != 0; at -= walFrameLen {
		require.Positive(t, at)
	}
	return at
}

// What a power cut tears is the batch that was being written. A frame that is damaged before whole batches is no such
// end: an agent that took it for one would erase entries that it has acknowledged.
func TestDamageIsNoTornEnd(t *testing.T) {
	for name, kind := range map[string]byte{"zero": 0, "no kind": 9} {
		t.Run(name, func(t *testing.T) {
			_, err := torn(t, func(raw []byte) []byte {
				raw[headerOf(t, raw, 3)] = kind
				return raw
			})
			require.ErrorContains(t, err, "whole entries follow it", "acknowledged entries are erased")
			require.ErrorContains(t, err, "cannot be trusted")
		})
	}
	t.Run("its length", func(t *testing.T) {
		_, err := torn(t, func(raw []byte) []byte {
			raw[headerOf(t, raw, 3)+7] = 0x7f
			return raw
		})
		require.ErrorContains(t, err, "whole entries follow it", "acknowledged entries are erased")
	})
}

// The last batch may be torn anywhere: the log goes on without it.
func TestTornEndIsErased(t *testing.T) {
	s, err := torn(t, func(raw []byte) []byte {
		raw[headerOf(t, raw, 5)+16] ^= 0xff
		return raw
	})
	require.NoError(t, err)
	last, err := s.Log.LastIndex()
	require.NoError(t, err)
	require.EqualValues(t, 4, last)
	require.NoError(t, s.Log.StoreLog(&raft.Log{Index: 5, Term: 1, Type: raft.LogNoop, Data: []byte("again")}))
	require.NoError(t, s.Close())
}
