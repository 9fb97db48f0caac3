package main

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
)

// A command that a signal ends says so. The cause that signal.NotifyContext gives is an error of its
// own kind, and HTTP clients return it in place of context.Canceled.
func TestSignalInterrupts(t *testing.T) {
	signal := errors.New("interrupt signal received")
	ctx, cancel := context.WithCancelCause(t.Context())
	boom := errors.New("boom")
	require.NoError(t, interrupted(ctx, nil))
	require.ErrorIs(t, interrupted(ctx, signal), signal, "nothing has ended")
	cancel(signal)
	require.NoError(t, interrupted(ctx, nil))
	require.EqualError(t, interrupted(ctx, fmt.Errorf("GET /: %w", signal)), "interrupted")
	require.EqualError(t, interrupted(ctx, fmt.Errorf("GET /: %w", context.Canceled)), "interrupted")
	require.EqualError(t, notReady(ctx, fmt.Errorf("GET /: %w", signal)), "interrupted before it was ready")
	require.ErrorIs(t, interrupted(ctx, boom), boom)
}
