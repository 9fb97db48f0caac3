//go:build failpoints

package failpoint

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestPointIsHitByTheServerItIsSetFor(t *testing.T) {
	boom := errors.New("boom")
	clear := Set("here", "a", func(context.Context, string) error { return boom })
	require.ErrorIs(t, Hit(t.Context(), "here", "a"), boom)
	require.NoError(t, Hit(t.Context(), "here", "b"))
	require.NoError(t, Hit(t.Context(), "there", "a"))
	clear()
	require.NoError(t, Hit(t.Context(), "here", "a"))

	clear = Set("here", Anybody, func(_ context.Context, who string) error { return errors.New(who) })
	defer clear()
	require.EqualError(t, Hit(t.Context(), "here", "b"), "b")
}
