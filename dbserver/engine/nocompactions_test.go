package engine

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"
)

// An engine without compactions leaves its tables as they are, and takes writes however many tables there are: nothing would end a
// stall.
func TestEngineWithoutCompactions(t *testing.T) {
	for _, without := range []bool{true, false} {
		t.Run(fmt.Sprint(without), func(t *testing.T) {
			disk := vfs.NewMem()
			o := small(disk)
			o.NoCompactions = without
			e, random := open(t, "e", o), rand.NewChaCha8([32]byte{})
			value := make([]byte, 200<<10)
			const tables = 2 * l0StopReadAmp
			for i := range tables {
				_, err := random.Read(value)
				require.NoError(t, err)
				put(t, e, fmt.Sprint("key", i%3), string(value), false)
				require.NoError(t, e.db.Flush())
			}
			names, err := disk.List("e")
			require.NoError(t, err)
			there := 0
			for _, name := range names {
				if strings.HasSuffix(name, ".sst") {
					there++
				}
			}
			if without {
				require.GreaterOrEqual(t, there, tables)
				return
			}
			require.Positive(t, e.db.Metrics().Compact.Count, "the workload is one that is compacted")
		})
	}
}
