package agency

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestPatience: what is borne depends on what is written, doubles with every disk that
// turns out to be slow, and gets older only while the process runs.
func TestPatience(t *testing.T) {
	w := newDiskWatch()
	looks := func(n int) (overdue bool) {
		for range n {
			overdue = w.look(time.Second) != nil
		}
		return overdue
	}
	end := w.begin("write", 0)
	require.False(t, looks(looksPerPatience))
	require.True(t, looks(1))
	require.Equal(t, "write", w.look(time.Second).what)
	end()
	require.False(t, looks(1))
	w.returned()
	end = w.begin("write", 0)
	require.False(t, looks(2*looksPerPatience))
	require.True(t, looks(1))
	end()
	for range 10 {
		w.returned()
	}
	end = w.begin("write", 0)
	require.False(t, looks(mostPatience*looksPerPatience))
	require.True(t, looks(1))
	end()
	require.False(t, looks(calmLooks))
	end = w.begin("write", 0)
	require.False(t, looks(looksPerPatience))
	require.True(t, looks(1), "as impatient as in the beginning")
	end()
	end = w.begin("write", 10*slowestDisk)
	require.False(t, looks(11*looksPerPatience))
	require.True(t, looks(1))
	end()
}
