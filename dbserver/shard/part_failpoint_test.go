//go:build failpoints

package shard

import (
	"context"
	"errors"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"

	dbclient "stasis/dbserver/client"
	"stasis/internal/apierror"
	"stasis/internal/failpoint"
)

// The disk fails while a decision is written: it may be there when the shard is opened again. Until then nobody is told that there is
// none.
func TestDecisionThatTheDiskHasNotTaken(t *testing.T) {
	o := open(t, vfs.NewMem(), &Clock{}, Retention{})
	defer o.close()
	h := &shop{t: t, o: o, s: o.leader(Tenure{1, 1})}
	x := h.begin(1)
	require.Nil(t, x.put("a", 1).Error)
	failed := 0
	clear := failpoint.Set("engine/apply", failpoint.Anybody, func(context.Context, string) error {
		failed++
		return errors.New("the disk fails")
	})
	err := x.Decide(t.Context(), []dbclient.TxnShard{home}, true)
	clear()
	require.Equal(t, 1, failed)
	require.ErrorIs(t, err, apierror.ConnectionLost)
	_, found, err := h.s.Transactions().Decision(t.Context(), 1)
	require.False(t, found)
	require.ErrorIs(t, err, apierror.ConnectionLost, "it is said to be aborted")
}
