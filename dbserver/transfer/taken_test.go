package transfer_test

import (
	"context"
	"io"
	"testing"
	"testing/synctest"

	"github.com/hashicorp/go-hclog"
	"github.com/stretchr/testify/require"

	agencyclient "stasis/agency/client"
	"stasis/agency/keys"
	"stasis/dbserver/transfer"
)

// mute is an agency that does not answer one write, which it has done or not, and none whose context has ended.
type mute struct {
	*office
	next, does bool
}

func (m *mute) Write(ctx context.Context, tx agencyclient.Tx) (uint64, error) {
	silent := m.next || ctx.Err() != nil
	m.next = false
	if silent && !m.does {
		return 0, agencyclient.ErrUnknown
	}
	index, err := m.office.Write(ctx, tx)
	if silent {
		return 0, agencyclient.ErrUnknown
	}
	return index, err
}

// A server does what it has taken, although the coordinator that asked has died meanwhile, or the agency's answer is lost: while its process
// lives no other can end the part. What it has not taken it can be given again.
func TestTakenIsDone(t *testing.T) {
	dead, cancel := context.WithCancel(context.Background())
	cancel()
	for name, c := range map[string]struct {
		ctx        context.Context
		next, does bool
		taken      bool
	}{
		"the coordinator is dead":      {ctx: dead, does: true, taken: true},
		"the answer is lost":           {ctx: context.Background(), next: true, does: true, taken: true},
		"it was not done":              {ctx: context.Background(), next: true},
		"dead, and the answer is lost": {ctx: dead, next: true, does: true, taken: true},
	} {
		t.Run(name, func(t *testing.T) {
			withDesk(t, func(d *desk) {
				agency := &mute{office: d.o, next: c.next, does: c.does}
				m := transfer.NewManager(transfer.Config{
					Server: d.shop.id, RebootID: func() uint64 { return 7 }, Pieces: d.shop.store, Remotes: d.opener, Agency: agency, Watch: d.o,
					Logger: hclog.New(&hclog.LoggerOptions{Output: io.Discard}),
				})
				defer m.Close()
				r := d.record("1", keys.TransferUpload, first)
				err := m.Start(c.ctx, r)
				require.Equal(d.t, c.next, err != nil)
				if !c.taken {
					synctest.Wait()
					require.Equal(d.t, keys.TransferNew, d.entry("1").Status)
					require.NoError(d.t, m.Start(d.t.Context(), r))
				}
				d.awaitStatus("1", keys.TransferCompleted)
			})
		})
	}
}
