package api

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"stasis/dbserver/gate"
	"stasis/internal/apierror"
	"stasis/internal/bubbles"
)

// A write that waits aside is not waited for by the gate, and comes back when the gate is open.
func TestAsideIsOutsideTheGate(t *testing.T) {
	bubbles.Test(t, func(t *testing.T) {
		g := gate.New(nil)
		p, err := pass(t.Context(), g, time.Time{})
		require.NoError(t, err)
		goOn, back := make(chan struct{}), make(chan error, 1)
		go func() { back <- p.Aside(func() { <-goOn }) }()
		synctest.Wait()
		_, err = g.Lock(gate.Claim{Nonce: "n", Attempt: 1, Window: time.Minute, Lease: time.Minute})
		require.NoError(t, err)
		synctest.Wait()
		require.NoError(t, g.Check("n", 1), "the gate waits for what waits for a key")
		close(goOn)
		synctest.Wait()
		require.Empty(t, back, "it writes while the gate is held")
		g.Release("n", 1)
		require.NoError(t, <-back)
		p.end()

		ctx, cancel := context.WithCancel(t.Context())
		p, err = pass(ctx, g, time.Time{})
		require.NoError(t, err)
		_, err = g.Lock(gate.Claim{Nonce: "n", Attempt: 2, Window: time.Minute, Lease: time.Minute})
		require.NoError(t, err)
		go func() { back <- p.Aside(func() {}) }()
		synctest.Wait()
		cancel()
		require.ErrorIs(t, <-back, apierror.Cancelled)
		p.end()
		g.GiveUp("n")
	})
}
