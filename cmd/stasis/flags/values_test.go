package flags

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// Sizes are read alike by all flags; a silly value is refused with what is wanted, in words.
func TestSizesOfFlags(t *testing.T) {
	for text, want := range map[string]int64{"64KiB": 64 << 10, "3M": 3 << 20, "2gb": 2 << 30, "1": 1, "1T": 1 << 40, "8388607T": 8388607 << 40} {
		var s Size
		require.NoError(t, s.Set(text), text)
		require.EqualValues(t, want, s, text)
		again := Size(0)
		require.NoError(t, again.Set(s.String()))
		require.Equal(t, s, again, "what is shown is read again")
	}
	for text, want := range map[string]int64{"256": 256 << 20, "4G": 4 << 30, "512MiB": 512 << 20} {
		var m Megabytes
		require.NoError(t, m.Set(text), text)
		require.EqualValues(t, want, m.Size, text)
	}
	for _, text := range []string{"", "0", "-1", "many", "4G5", "1e30", "512 M", "MB", "1.5G", "8388608T", "99999999999999999999", "1KK", "1BB"} {
		require.Error(t, new(Size).Set(text), text)
		require.Error(t, new(Megabytes).Set(text), text)
	}
	require.Error(t, new(Megabytes).Set("4096K"), "smaller than its unit")
	require.Error(t, new(Megabytes).Set("9223372036854775807"), "too large for an int64")
}
