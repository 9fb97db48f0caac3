package shard

import (
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"
)

// That a promise was overruled outlives a power cut: the leader that was told so goes on from it, and the replica must not refuse it
// in the name of a promise that is void.
func TestOverruledPromiseSurvivesAPowerCut(t *testing.T) {
	fs := vfs.NewCrashableMem()
	o := openUnsynced(t, fs)
	s, err := Create(o.env, "s1")
	require.NoError(t, err)
	first, second, bogus := Tenure{1, 1}, Tenure{2, 1}, Tenure{1<<64 - 1, 7}
	st, err := s.Accept(Batch{Tenure: first, Records: records(first, 1, 1), Sync: true})
	require.NoError(t, err)
	_, err = s.Promise(bogus)
	require.NoError(t, err)
	told, err := s.Overrule(bogus, second)
	require.NoError(t, err)
	disk := fs.CrashClone(vfs.CrashCloneCfg{})
	o.close()
	o = open(t, disk, &Clock{}, Retention{})
	defer o.close()
	s, err = Open(o.env, "s1")
	require.NoError(t, err)
	require.Equal(t, told.Promised, s.State().Promised, "the void promise is back")
	_, err = s.Accept(Batch{Tenure: second, Prev: st.Last, Records: records(second, 2, 1)})
	require.NoError(t, err)
}
