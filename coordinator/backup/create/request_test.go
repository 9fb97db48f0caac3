package create

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestDefaultsOfARequest(t *testing.T) {
	r, err := Request{}.checked()
	require.NoError(t, err)
	require.Equal(t, 120*time.Second, r.Timeout)
	require.Equal(t, 500*time.Millisecond, r.LockWait)
	require.Equal(t, 1.1, r.LockGrowth)
}
