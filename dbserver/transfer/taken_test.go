package transfer_test

import (
	"context"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/stretchr/testify/require"

	agencyclient "stasis/agency/client"
	"stasis/agency/keys"
	"stasis/dbserver/transfer"
	"stasis/event"
	"stasis/internal/told"
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

// with is a manager of the desk's server that has another agency.
func (d *desk) with(a transfer.Agency) *transfer.Manager {
	return transfer.NewManager(transfer.Config{
		Server: d.shop.id, RebootID: func() uint64 { return 7 }, Pieces: d.shop.store, Remotes: d.opener, Agency: a, Watch: d.o, Steps: d.steps,
		Logger: hclog.New(&hclog.LoggerOptions{Output: io.Discard}),
	})
}

// A server does what it has taken, although the coordinator that asked has died meanwhile, or the agency's answer is lost: while its process
// lives no other can end the part.
func TestTakenIsDone(t *testing.T) {
	dead, cancel := context.WithCancel(context.Background())
	cancel()
	for name, c := range map[string]struct {
		ctx        context.Context
		next, does bool
	}{
		"the coordinator is dead":      {ctx: dead, does: true},
		"the answer is lost":           {ctx: context.Background(), next: true, does: true},
		"it was not done":              {ctx: context.Background(), next: true},
		"dead, and the answer is lost": {ctx: dead, next: true, does: true},
	} {
		t.Run(name, func(t *testing.T) {
			withDesk(t, func(d *desk) {
				m := d.with(&mute{office: d.o, next: c.next, does: c.does})
				defer m.Close()
				r := d.record("1", keys.TransferUpload, first)
				err := m.Start(c.ctx, r)
				require.Equal(d.t, c.next, err != nil)
				d.awaitStatus("1", keys.TransferCompleted)
			})
		})
	}
}

// slow is an agency that the first write reaches late: after it was asked what became of that.
type slow struct {
	*office
	sent bool
	late *agencyclient.Tx
}

func (s *slow) Write(ctx context.Context, tx agencyclient.Tx) (uint64, error) {
	if !s.sent {
		s.sent, s.late = true, &tx
		return 0, agencyclient.ErrUnknown
	}
	return s.office.Write(ctx, tx)
}

func (s *slow) Read(ctx context.Context, paths ...string) (*agencyclient.Node, error) {
	root, err := s.office.Read(ctx, paths...)
	if tx := s.late; tx != nil {
		s.late = nil
		if _, err := s.office.Write(ctx, *tx); err != nil {
			return nil, err
		}
	}
	return root, err
}

// A write that takes a part may arrive after the agency was asked about it: the part is done.
func TestPartThatIsTakenLateIsDone(t *testing.T) {
	withDesk(t, func(d *desk) {
		m := d.with(&slow{office: d.o})
		defer m.Close()
		require.ErrorIs(d.t, m.Start(d.t.Context(), d.record("1", keys.TransferUpload, first)), agencyclient.ErrUnknown)
		d.awaitStatus("1", keys.TransferCompleted)
	})
}

// A coordinator that goes while a removal keeps its part waiting ends nothing: the part can be given again.
func TestPartIsNotEndedByACoordinatorThatGoes(t *testing.T) {
	withDesk(t, func(d *desk) {
		dead, cancel := context.WithCancel(d.t.Context())
		cancel()
		r := d.record("1", keys.TransferDownload, first)
		require.NoError(d.t, d.Removing(d.t.Context(), first, func() error {
			require.ErrorIs(d.t, d.Start(dead, r), context.Canceled)
			require.Equal(d.t, keys.TransferNew, d.entry("1").Status)
			return nil
		}))
	})
}

// tired is an agency that does the first write, and gives no answer until its time has passed.
type tired struct {
	*office
	done bool
}

func (a *tired) Write(ctx context.Context, tx agencyclient.Tx) (uint64, error) {
	index, err := a.office.Write(ctx, tx)
	if !a.done {
		a.done = true
		<-ctx.Done()
		return 0, agencyclient.ErrUnknown
	}
	return index, err
}

func (a *tired) Read(ctx context.Context, paths ...string) (*agencyclient.Node, error) {
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	return a.office.Read(ctx, paths...)
}

// A part that ends when it is to be taken is told, although the time of the write is over before its answer comes.
func TestPartThatEndsInsteadIsTold(t *testing.T) {
	withTold(t, func(d *desk, o *told.Events) {
		m := d.with(&tired{office: d.o})
		defer m.Close()
		r := d.record("1", keys.TransferUpload, first)
		d.abort("1")
		require.ErrorIs(d.t, m.Start(d.t.Context(), r), agencyclient.ErrUnknown)
		time.Sleep(time.Minute)
		require.Equal(d.t, keys.TransferCancelled, d.entry("1").Status)
		require.Equal(d.t, []event.Name{event.PieceCancelled}, endsTold(o))
	})
}

// absent is an agency that answers nothing.
type absent struct{ *office }

func (absent) Read(ctx context.Context, _ ...string) (*agencyclient.Node, error) {
	<-ctx.Done()
	return nil, context.Cause(ctx)
}

// A server that stops does not wait for an agency that is to note what it has taken.
func TestStopDoesNotWaitForTheAgency(t *testing.T) {
	withDesk(t, func(d *desk) {
		m := d.with(absent{d.o})
		started := make(chan error, 1)
		r := d.record("1", keys.TransferUpload, first)
		go func() { started <- m.Start(d.t.Context(), r) }()
		synctest.Wait()
		begun := time.Now()
		m.Close()
		require.Zero(d.t, time.Since(begun))
		require.ErrorIs(d.t, <-started, context.Canceled)
	})
}
