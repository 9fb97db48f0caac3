package store

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"stasis/internal/apierror"
	"stasis/internal/bubbles"
)

func TestAccess(t *testing.T) {
	bubbles.Test(t, func(t *testing.T) {
		a := NewAccess(apierror.New(apierror.StartingUp, "starting"))
		_, _, _, err := a.Enter(t.Context())
		require.ErrorIs(t, err, apierror.StartingUp)
		d := &Store{end: func(error) {}}
		a.Open(d)
		ctx, got, leave, err := a.Enter(t.Context())
		require.NoError(t, err)
		require.Same(t, d, got)
		_, _, leave2, err := a.Enter(t.Context())
		require.NoError(t, err)

		why := apierror.New(apierror.ServiceUnavailable, "changing")
		shut := make(chan error, 1)
		go func() { shut <- a.Shut(t.Context(), why) }()
		synctest.Wait()
		require.Empty(t, shut, "a request is inside")
		require.ErrorIs(t, context.Cause(ctx), apierror.ServiceUnavailable)
		_, _, _, err = a.Enter(t.Context())
		require.ErrorIs(t, err, apierror.ServiceUnavailable)
		leave()
		synctest.Wait()
		require.Empty(t, shut)

		limited, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		require.ErrorIs(t, a.Shut(limited, why), context.DeadlineExceeded)
		leave2()
		require.NoError(t, <-shut)

		a.Open(d)
		require.NoError(t, a.State())
		require.NoError(t, a.ShutForGood(t.Context(), apierror.New(apierror.ShuttingDown, "stopping")))
		a.Open(d)
		require.ErrorIs(t, a.State(), apierror.ShuttingDown, "never opened again")
		require.NoError(t, a.Shut(t.Context(), why))
		require.ErrorIs(t, a.State(), apierror.ShuttingDown, "the last reason stays")
	})
}
