package store

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestPatience: what is borne depends on what is written, doubles with every disk that
// turns out to be slow, and gets older only while the process runs.
func TestPatience(t *testing.T) {
	w := newCalls()
	looks := func(n int) (overdue bool) {
		for range n {
			overdue = w.Overdue(time.Second) != nil
		}
		return overdue
	}
	end := w.begin("write", 0)
	require.False(t, looks(LooksPerPatience))
	require.True(t, looks(1))
	require.Equal(t, "write", w.Overdue(time.Second).What)
	end()
	require.False(t, looks(1))
	w.Returned()
	end = w.begin("write", 0)
	require.False(t, looks(2*LooksPerPatience))
	require.True(t, looks(1))
	end()
	for range 10 {
		w.Returned()
	}
	end = w.begin("write", 0)
	require.False(t, looks(mostPatience*LooksPerPatience))
	require.True(t, looks(1))
	end()
	require.False(t, looks(calmLooks))
	end = w.begin("write", 0)
	require.False(t, looks(LooksPerPatience))
	require.True(t, looks(1), "as impatient as in the beginning")
	end()
	end = w.begin("write", 10*LeastRate)
	require.False(t, looks(11*LooksPerPatience))
	require.True(t, looks(1))
	end()
}
