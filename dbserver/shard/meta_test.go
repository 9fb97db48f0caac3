package shard

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// The log is cut in halves, and never where a record is still needed: not before it is
// applied, and not while it is pinned, unless the log has grown out of all
// proportion.
func TestLogIsNotCutWhereItIsNeeded(t *testing.T) {
	const free = 1 << 40
	r := Retention{Entries: 10, Bytes: 1 << 30}
	// grown has records up to 12 and the newer half full: the next one cuts [1, 7).
	grown := func() logSpan { return logSpan{first: 1, middle: 7, beforeHalf: Tenure{1, 1}} }
	at := Position{Tenure{1, 1}, 13}
	for name, c := range map[string]struct {
		applied, pinned uint64
		cut             bool
	}{
		"all applied":                    {12, free, true},
		"the old half is just applied":   {6, free, true},
		"its last record is not":         {5, free, false},
		"pinned behind it":               {12, 7, true},
		"pinned in it":                   {12, 6, false},
		"pinned, and nothing is applied": {0, 1, false},
	} {
		t.Run(name, func(t *testing.T) {
			l := grown()
			from, to, cut := l.grow(at, 1, r, c.applied, c.pinned)
			require.Equal(t, c.cut, cut)
			if !cut {
				require.Equal(t, uint64(1), l.first)
				return
			}
			require.Equal(t, [2]uint64{1, 7}, [2]uint64{from, to})
			require.Equal(t, logSpan{first: 7, beforeFirst: Tenure{1, 1}, middle: 14, beforeHalf: at.Tenure}, l)
		})
	}
	l := grown()
	_, _, cut := l.grow(Position{Tenure{1, 1}, 1 + stretch*r.Entries}, 1, r, 1000, 3)
	require.True(t, cut, "a pin does not keep a log for ever")
	l = grown()
	_, _, cut = l.grow(Position{Tenure{1, 1}, 1 + stretch*r.Entries}, 1, r, 2, 3)
	require.False(t, cut, "what is not applied is kept whatever it costs")
}

// When records are taken back, the newer half does not begin behind the end of the log:
// else records that follow would be deleted with the old one.
func TestTakingBackMovesTheMiddle(t *testing.T) {
	l := logSpan{first: 1, middle: 9, beforeHalf: Tenure{1, 1}, bytes: 100}
	l.cutBack(Position{Tenure{1, 1}, 8})
	require.Equal(t, uint64(9), l.middle)
	l.cutBack(Position{Tenure{0, 7}, 4})
	require.Equal(t, logSpan{first: 1, middle: 5, beforeHalf: Tenure{0, 7}}, l)
}
