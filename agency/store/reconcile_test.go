package store

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/raft"
	"github.com/stretchr/testify/require"

	"stasis/fsm"
)

// TestReconcile: which logs go with which snapshots.
func TestReconcile(t *testing.T) {
	whole := func(index, term uint64) shot { return shot{index: index, term: term} }
	torn := func(index, term uint64) shot { return shot{index: index, term: term, torn: true} }
	for name, c := range map[string]reconciled{
		"nothing":                             {},
		"log only":                            {entries: []uint64{1, 2, 3}, left: 3},
		"log only, begins late":               {entries: []uint64{2, 3}, wrong: "it begins with entry 2"},
		"log only, gap":                       {entries: []uint64{1, 3}, wrong: "entry 2"},
		"log goes on from the snapshot":       {entries: []uint64{5, 6}, shots: []shot{whole(4, 2)}, left: 2},
		"log reaches back":                    {entries: []uint64{3, 4, 5}, shots: []shot{whole(4, 2)}, left: 3},
		"log ends with the snapshot":          {entries: []uint64{3, 4}, shots: []shot{whole(4, 2)}, left: 2},
		"snapshot only":                       {shots: []shot{whole(4, 2)}},
		"log begins after the snapshot":       {entries: []uint64{6, 7}, shots: []shot{whole(4, 2)}, wrong: "begins with entry 6, and the newest whole snapshot ends with entry 4"},
		"gap before the snapshot's end":       {entries: []uint64{2, 4, 5}, shots: []shot{whole(4, 2)}, wrong: "entry 3"},
		"gap at the snapshot's end":           {entries: []uint64{2, 3, 5}, shots: []shot{whole(4, 2)}, wrong: "entry 4"},
		"replaced: the snapshot goes further": {entries: []uint64{2, 3}, shots: []shot{whole(4, 3)}},
		"replaced: other entries":             {entries: []uint64{2, 3, 4, 5}, shots: []shot{whole(4, 3)}},
		"of an older term than the snapshot":  {entries: []uint64{5, 6}, shots: []shot{whole(4, 3)}, wrong: "entry 5: its term 2 comes after term 3"},
		"newest torn, log reaches back":       {entries: []uint64{3, 4, 5, 6}, shots: []shot{torn(5, 2), whole(2, 2)}, left: 4},
		"newest unreadable, log goes on":      {entries: []uint64{3, 4, 5, 6}, shots: []shot{{index: 5, term: 2, unreadable: true}, whole(2, 2)}, left: 4},
		"newest unreadable, log is replaced":  {entries: []uint64{3, 4}, shots: []shot{{index: 5, term: 2, unreadable: true}, whole(2, 2)}, wrong: "snapshot 2-5-"},
		"newest torn, log does not":           {entries: []uint64{4, 5, 6}, shots: []shot{torn(5, 2), whole(2, 2)}, wrong: "begins with entry 4"},
		"newest torn, log ends before it":     {entries: []uint64{3, 4}, shots: []shot{torn(5, 2), whole(2, 2)}, wrong: "snapshot 2-5-"},
		"newest torn, no log":                 {shots: []shot{torn(5, 2), whole(2, 2)}, wrong: "is damaged"},
		"older torn":                          {entries: []uint64{5, 6}, shots: []shot{whole(4, 2), torn(2, 2)}, left: 2},
		"all torn, log reaches back":          {entries: []uint64{1, 2, 3}, shots: []shot{torn(2, 2)}, left: 3}, // Raft refuses it
		"all torn, log begins late":           {entries: []uint64{2, 3}, shots: []shot{torn(2, 2)}, wrong: "it begins with entry 2"},
	} {
		t.Run(name, c.check)
	}
}

// shot is a snapshot on disk.
type shot struct {
	index, term uint64
	torn        bool
	unreadable  bool // its checksum is right
}

// reconciled is what reconcile makes of what is on disk.
type reconciled struct {
	entries []uint64 // their indices; all of term 2
	shots   []shot
	wrong   string
	left    int // entries afterwards
}

func (c reconciled) check(t *testing.T) {
	dir := t.TempDir()
	shots, err := raft.NewFileSnapshotStoreWithLogger(dir, len(c.shots)+1, hclog.NewNullLogger())
	require.NoError(t, err)
	for _, s := range c.shots {
		sink, err := shots.Create(1, s.index, s.term, raft.Configuration{}, 1, nil)
		require.NoError(t, err)
		if s.unreadable {
			_, err = sink.Write([]byte("no tree"))
		} else {
			_, err = fsm.New(1).State().WriteTo(sink)
		}
		require.NoError(t, err)
		require.NoError(t, sink.Close())
		if s.torn {
			require.NoError(t, os.Truncate(filepath.Join(dir, "snapshots", sink.ID(), "state.bin"), 3))
		}
	}
	log := raft.NewInmemStore()
	for _, i := range c.entries {
		require.NoError(t, log.StoreLog(&raft.Log{Index: i, Term: 2, Type: raft.LogCommand, Data: fsm.Command{}.Encode()}))
	}
	err = reconcile(log, shots, hclog.NewNullLogger())
	if c.wrong != "" {
		require.ErrorContains(t, err, c.wrong)
		return
	}
	require.NoError(t, err)
	var entry raft.Log
	left := 0
	for i := range uint64(10) {
		if log.GetLog(i, &entry) == nil {
			left++
		}
	}
	require.Equal(t, c.left, left)
}

// steps notes what is deleted at once.
type steps struct {
	*raft.InmemStore
	deleted [][2]uint64
}

func (s *steps) DeleteRange(from, to uint64) error {
	s.deleted = append(s.deleted, [2]uint64{from, to})
	return s.InmemStore.DeleteRange(from, to)
}

// TestCompactionInSteps: old entries are deleted in small steps, what was replaced in one.
func TestCompactionInSteps(t *testing.T) {
	s := &steps{InmemStore: raft.NewInmemStore()}
	log := steppedLog{s}
	for i := range uint64(1000) {
		require.NoError(t, s.StoreLog(&raft.Log{Index: i + 1}))
	}
	require.NoError(t, log.DeleteRange(1, 3))
	require.NoError(t, log.DeleteRange(4, 603))
	require.Equal(t, [][2]uint64{{1, 3}, {4, 259}, {260, 515}, {516, 603}}, s.deleted)
	first, err := s.FirstIndex()
	require.NoError(t, err)
	require.EqualValues(t, 604, first)
	require.NoError(t, log.DeleteRange(700, 1000))
	require.NoError(t, log.DeleteRange(604, 699))
	require.Equal(t, [][2]uint64{{700, 1000}, {604, 699}}, s.deleted[4:])
	last, err := s.LastIndex()
	require.NoError(t, err)
	require.Zero(t, last)
}
