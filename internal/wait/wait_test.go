package wait

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stasis/internal/bubbles"
)

func TestForEndsWithItsContext(t *testing.T) {
	bubbles.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Second, errors.New("enough"))
		defer cancel()
		start := time.Now()
		require.NoError(t, For(ctx, 700*time.Millisecond))
		require.EqualError(t, For(ctx, time.Hour), "enough")
		require.Equal(t, time.Second, time.Since(start))
		require.EqualError(t, For(ctx, 0), "enough", "a wait of no length does not hide that the context has ended")
	})
}

func TestRetryStopsAtSuccessAndAtTheLastTry(t *testing.T) {
	bubbles.Test(t, func(t *testing.T) {
		start, calls := time.Now(), 0
		succeedAt := func(n int) func(context.Context) error {
			calls = 0
			return func(context.Context) error {
				if calls++; calls == n {
					return nil
				}
				return errors.New("not yet")
			}
		}
		require.NoError(t, Retry(t.Context(), 3, time.Second, succeedAt(2)))
		require.Equal(t, 2, calls)
		require.EqualError(t, Retry(t.Context(), 3, time.Second, succeedAt(4)), "not yet")
		require.Equal(t, 3, calls)
		require.Equal(t, 3*time.Second, time.Since(start))

		ended, cancel := context.WithCancel(t.Context())
		cancel()
		require.EqualError(t, Retry(ended, 3, time.Second, succeedAt(4)), "not yet")
		require.Equal(t, 1, calls, "the first try is made whatever the context says: the request sees it")
	})
}
