package transfer_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"

	"stasis/dbserver/backup"
	"stasis/dbserver/engine"
	"stasis/dbserver/transfer"
	"stasis/dbserver/transfer/remotetest"
)

// How much of a backup of 1 GB is sent again after 1 % of it has changed, with the
// engine as it is by default, on a disk: rows that were added, a range of neighbours,
// and rows spread over the whole key space. The last touch every table once the engine
// compacts them into the others, which it does when it likes; right after the change it
// has not. Without STASIS_SOAK=1 it is a sixtieth of a GB.
func TestOnePercentChanged(t *testing.T) {
	rows := 6_000 // of 3000 bytes
	if os.Getenv("STASIS_SOAK") != "" {
		rows = 360_000
	}
	for name, key := range map[string]func(i int) int{
		"added":      func(i int) int { return rows + i },
		"neighbours": func(i int) int { return rows/3 + i },
		"scattered":  func(i int) int { return i * 100 },
	} {
		t.Run(name, func(t *testing.T) {
			dir, o := t.TempDir(), engine.Options{}
			store, err := backup.Open(backup.Config{FS: vfs.Default, Dir: dir, ServerID: "PRMR-a", Version: "3.12.5", Engine: o})
			require.NoError(t, err)
			o.FS = vfs.Default
			e, err := engine.Open(dir+"/engine", o)
			require.NoError(t, err)
			defer func() { require.NoError(t, e.Close()) }()
			s := &shop{t: t, fs: vfs.Default, id: "PRMR-a", store: store, e: e}
			write := func(n int, generation byte, key func(i int) int) {
				for i := range n {
					value, k := make([]byte, 3000), key(i)
					_, _ = rand.NewChaCha8([32]byte{byte(k), byte(k >> 8), byte(k >> 16), generation}).Read(value)
					b := e.NewBatch()
					require.NoError(t, b.Set(fmt.Appendf(nil, "k%08d", k), value))
					require.NoError(t, b.Commit(false))
				}
			}
			write(rows, 0, func(i int) int { return i })
			s.backup(first, "PRMR-a")
			m := remotetest.NewMemory()
			upload(t, m, first, s)
			once, _ := m.Sent()
			write(rows/100, 1, key)
			s.backup(second, "PRMR-a")
			up := transfer.NewMover(m.Remote(), s.store, brisk)
			require.NoError(t, up.Upload(t.Context(), second, "PRMR-a"))
			t.Logf("%d MB first; after 1 %% was %s, %.2f %% were sent", once>>20, name, 100*float64(up.Moved())/float64(once))
			require.Less(t, float64(up.Moved()), 0.05*float64(once))
		})
	}
}
