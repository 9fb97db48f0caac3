package wait

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stasis/internal/bubbles"
)

// Those that come while it is done wait as long as they want, and virtual time goes on. All learn
// of the error.
func TestOnceIsDoneOnce(t *testing.T) {
	bubbles.Test(t, func(t *testing.T) {
		var once Once
		calls, failed := 0, errors.New("failed")
		do := func() error {
			calls++
			time.Sleep(time.Minute)
			return failed
		}
		begun := time.Now()
		first := make(chan error)
		go func() { first <- once.Do(t.Context(), do) }()
		time.Sleep(time.Second)
		impatient, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		require.ErrorIs(t, once.Do(impatient, do), context.DeadlineExceeded)
		require.Equal(t, 2*time.Second, time.Since(begun))
		go func() { first <- once.Do(t.Context(), do) }()
		for range 2 {
			require.ErrorIs(t, <-first, failed)
		}
		require.Equal(t, time.Minute, time.Since(begun))
		require.ErrorIs(t, once.Do(impatient, do), failed, "it is done")
		require.Equal(t, 1, calls)
	})
}
