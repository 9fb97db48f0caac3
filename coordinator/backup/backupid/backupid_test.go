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
		m := Now()
		require.Equal(t, m.DateTime()[:len("2006-01-02")], m.Prefix()[:len("2006-01-02")])
		require.NotContains(t, m.ID("nightly"), ":", "an id is the name of a folder")
		require.Equal(t, m.Prefix()+"nightly", m.ID("nightly"))
		require.Equal(t, time.Now().Truncate(time.Second).Add(time.Second), time.Now().Add(m.UntilNext()))
	})
}

func TestNoncesDiffer(t *testing.T) {
	require.Len(t, Nonce(), 32)
	require.NotEqual(t, Nonce(), Nonce())
}
