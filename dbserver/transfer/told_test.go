package transfer_test

import (
	"bytes"
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	agencyclient "stasis/agency/client"
	"stasis/agency/keys"
	"stasis/event"
)

// told is what a server has told of the ends of its parts.
type told struct {
	mu    sync.Mutex
	steps []event.Name
}

func (o *told) sink(_ context.Context, e event.Event) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if e.Step == event.PieceMoved || e.Step == event.PieceFailed || e.Step == event.PieceCancelled {
		o.steps = append(o.steps, e.Step)
	}
}

// ends are the steps so far.
func (o *told) ends() []event.Name {
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.Clone(o.steps)
}

// withTold runs a test with a desk whose server tells of its steps.
func withTold(t *testing.T, test func(d *desk, o *told)) {
	withDesk(t, func(d *desk) {
		o := &told{}
		d.Close()
		d.steps = o.sink
		d.restart(1)
		test(d, o)
	})
}

func ends(raw []byte, status string) bool {
	return bytes.Contains(raw, []byte(`"Status":"`+status+`"`))
}

// The agency has the end of a part, and its answer gets lost: the end is told once.
func TestEndIsToldOnceAlthoughTheAnswerIsLost(t *testing.T) {
	withTold(t, func(d *desk, o *told) {
		d.o.meets = func(raw []byte) bool { return ends(raw, keys.TransferCompleted) }
		require.NoError(d.t, d.Start(d.t.Context(), d.record("1", keys.TransferUpload, first)))
		d.awaitStatus("1", keys.TransferCompleted)
		time.Sleep(time.Minute)
		require.Equal(d.t, []event.Name{event.PieceMoved}, o.ends())
	})
}

// A coordinator writes that a part has FAILED, and tells it, just before its server does: the server
// tells nothing.
func TestEndThatAnotherTellsIsNotToldAgain(t *testing.T) {
	withTold(t, func(d *desk, o *told) {
		r := d.record("1", keys.TransferDownload, "never-uploaded")
		var first atomic.Bool
		d.o.meets = func(raw []byte) bool {
			if ends(raw, keys.TransferFailed) && !first.Swap(true) {
				_, err := d.o.Write(d.t.Context(), agencyclient.Tx{Ops: map[string]any{keys.TransferEntryKey("1", d.shop.id): agencyclient.Set(
					keys.TransferEntry{Status: keys.TransferFailed, EndedBy: "CRDN-1"})}})
				require.NoError(d.t, err)
			}
			return false
		}
		require.NoError(d.t, d.Start(d.t.Context(), r))
		d.awaitStatus("1", keys.TransferFailed)
		time.Sleep(time.Minute)
		require.Empty(d.t, o.ends(), "the end of a part is told twice")
		require.Equal(d.t, "CRDN-1", d.entry("1").EndedBy)
	})
}
