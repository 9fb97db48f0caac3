package sums

import (
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"

	"stasis/internal/bubbles"
)

// A table above the allowance has no sum. A backup that is about to come has the sums of all, and after a
// pause everything is as before.
func TestTableAboveTheAllowanceHasNoSum(t *testing.T) {
	bubbles.Test(t, func(t *testing.T) {
		disk := vfs.NewMem()
		require.NoError(t, disk.MkdirAll("e", 0o700))
		b := newBook(disk, "e")
		write := func() (known bool) {
			require.NoError(t, table(t, b, "000001.sst", inParts("content")))
			_, known = b.Of("000001.sst")
			return known
		}
		require.True(t, write())
		b.allowed.spend(allowedBurst)
		require.False(t, write(), "the sum of another table, or hashed in spite of the allowance")

		end := b.Insist()
		require.True(t, write(), "a backup is about to need it")
		end()
		require.False(t, write())
		time.Sleep(time.Second)
		require.True(t, write())
	})
}

// However much is written, no more is hashed than is allowed, and no less as long as there is enough.
func TestHashingHasAnAllowance(t *testing.T) {
	bubbles.Test(t, func(t *testing.T) {
		a := newAllowance()
		const table, load = 16 << 20, 10000 // seconds, of one table each
		hashed := 0
		for range load {
			if a.takes() {
				a.spend(table)
				hashed += table
			}
			time.Sleep(time.Second)
		}
		require.InDelta(t, allowedBurst+load*allowedRate, hashed, table)
		time.Sleep(time.Hour)
		for hashed = 0; a.takes(); hashed += table {
			a.spend(table)
		}
		require.Equal(t, allowedBurst, hashed, "more than the burst is saved up")
	})
}
