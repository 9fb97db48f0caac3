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

func TestBackoffDoublesItsPauses(t *testing.T) {
	bubbles.Test(t, func(t *testing.T) {
		never := func(error) bool { return false }
		var at []time.Duration
		start := time.Now()
		fail := func() error { at = append(at, time.Since(start)); return errors.New("not yet") }
		require.EqualError(t, Backoff{First: time.Second, Tries: 4}.Do(t.Context(), never, fail), "not yet")
		require.Equal(t, []time.Duration{0, time.Second, 3 * time.Second, 7 * time.Second}, at)

		at = nil
		require.Error(t, Backoff{First: time.Second, Tries: 4}.Do(t.Context(), func(error) bool { return true }, fail))
		require.Len(t, at, 1, "a final error is not tried again")

		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		at, start = nil, time.Now()
		require.EqualError(t, Backoff{First: time.Second, Tries: 4}.Do(ctx, never, fail), "not yet")
		require.Len(t, at, 2, "no call is made after the context has ended")
		require.Equal(t, 2*time.Second, time.Since(start))
	})
}
