package backupid

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stasis/internal/bubbles"
)

func TestIDBeginsWithItsSecond(t *testing.T) {
	bubbles.Test(t, func(t *testing.T) {
		time.Sleep(time.Until(time.Date(2023, 9, 1, 15, 0, 34, 250e6, time.UTC)))
		m := Now(nil)
		require.Equal(t, m.DateTime()[:len("2006-01-02")], m.Prefix()[:len("2006-01-02")])
		require.NotContains(t, m.ID("nightly"), ":", "an id is the name of a folder")
		require.Equal(t, m.Prefix()+"nightly", m.ID("nightly"))
		require.Equal(t, time.Now().Truncate(time.Second).Add(time.Second), time.Now().Add(m.UntilNext()))
	})
}

// A backup is called after the time of its coordinator, and does not wait for an hour when that clock is set back by one.
func TestClockThatIsWrong(t *testing.T) {
	bubbles.Test(t, func(t *testing.T) {
		off := time.Hour
		m := Now(func() time.Time { return time.Now().Add(off) })
		require.Equal(t, time.Now().Add(time.Hour).UTC().Format(time.RFC3339), m.DateTime())
		require.Equal(t, time.Second, m.UntilNext())
		off = 0
		require.Equal(t, time.Second, m.UntilNext())
		off = 2 * time.Hour
		require.Negative(t, m.UntilNext())
	})
}

func TestNoncesDiffer(t *testing.T) {
	require.Len(t, Nonce(), 32)
	require.NotEqual(t, Nonce(), Nonce())
}
