package transaction

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	dbclient "stasis/dbserver/client"
	"stasis/internal/bubbles"
)

// What has ended is remembered for a time, and no more than so many; the first reason counts.
func TestMemoryOfWhatHasEndedIsBounded(t *testing.T) {
	bubbles.Test(t, func(t *testing.T) {
		m := newMemory(3, time.Minute)
		for id := range dbclient.TxnID(5) {
			m.add(id, "why")
			m.add(id, "another reason")
			time.Sleep(time.Second)
		}
		require.Len(t, m.of, 3)
		require.Equal(t, 3, m.order.Len())
		_, known := m.why(1)
		require.False(t, known)
		why, known := m.why(4)
		require.True(t, known)
		require.Equal(t, "why", why)
		time.Sleep(time.Minute)
		m.trim()
		require.Empty(t, m.of)
		require.Zero(t, m.order.Len())
	})
}
