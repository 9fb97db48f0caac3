package fault

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"
)

// Damage of a real file leaves what a program writes to the file meanwhile.
func TestDamageLeavesWhatIsWrittenMeanwhile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	require.NoError(t, os.WriteFile(path, []byte("abcdef"), 0o600))
	require.NoError(t, harm(vfs.Default, path, func(data []byte) []byte {
		require.NoError(t, os.WriteFile(path, []byte("abcdeFgh"), 0o600))
		data[2] ^= 1
		return data
	}))
	raw, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, "abbdeFgh", string(raw))

	require.NoError(t, harm(vfs.Default, path, func(data []byte) []byte { return data[:3] }))
	raw, err = os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, "abb", string(raw))
}
