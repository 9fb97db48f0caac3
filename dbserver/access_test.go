package dbserver

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
		a := newAccess(errStarting)
		_, _, _, err := a.enter(t.Context())
		require.ErrorIs(t, err, apierror.StartingUp)
		d := &data{end: func(error) {}}
		a.open(d)
		ctx, got, leave, err := a.enter(t.Context())
		require.NoError(t, err)
		require.Same(t, d, got)
		_, _, leave2, err := a.enter(t.Context())
		require.NoError(t, err)

		why := apierror.New(apierror.ServiceUnavailable, "changing")
		shut := make(chan error, 1)
		go func() { shut <- a.shut(t.Context(), why) }()
		synctest.Wait()
		require.Empty(t, shut, "somebody is inside")
		require.ErrorIs(t, context.Cause(ctx), apierror.ServiceUnavailable)
		_, _, _, err = a.enter(t.Context())
		require.ErrorIs(t, err, apierror.ServiceUnavailable)
		leave()
		synctest.Wait()
		require.Empty(t, shut)

		limited, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		require.ErrorIs(t, a.shut(limited, why), context.DeadlineExceeded)
		leave2()
		require.NoError(t, <-shut)

		a.open(d)
		require.NoError(t, a.state())
		require.NoError(t, a.shutForGood(t.Context(), errStopping))
		a.open(d)
		require.ErrorIs(t, a.state(), apierror.ShuttingDown, "never opened again")
		require.NoError(t, a.shut(t.Context(), why))
		require.ErrorIs(t, a.state(), apierror.ShuttingDown, "the last reason stays")
	})
}
