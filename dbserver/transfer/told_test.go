package transfer_test

import (
	"bytes"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	agencyclient "stasis/agency/client"
	"stasis/agency/keys"
	"stasis/event"
	"stasis/internal/told"
)

// endsTold are the steps that a server has told of the ends of its parts.
func endsTold(o *told.Events) []event.Name {
	return o.Steps(func(e event.Event) bool {
		return slices.Contains([]event.Name{event.PieceMoved, event.PieceFailed, event.PieceCancelled}, e.Step)
	})
}

// withTold runs a test with a desk whose server tells of its steps.
func withTold(t *testing.T, test func(d *desk, o *told.Events)) {
	withDesk(t, func(d *desk) {
		o := &told.Events{}
		d.Close()
		d.steps = o.Sink
		d.restart(1)
		test(d, o)
	})
}

func ends(raw []byte, status string) bool {
	return bytes.Contains(raw, []byte(`"Status":"`+status+`"`))
}

// The agency has the end of a part, and its answer gets lost: the end is told once.
func TestEndIsToldOnceAlthoughTheAnswerIsLost(t *testing.T) {
	withTold(t, func(d *desk, o *told.Events) {
		d.o.meets = func(raw []byte) bool { return ends(raw, keys.TransferCompleted) }
		require.NoError(d.t, d.Start(d.t.Context(), d.record("1", keys.TransferUpload, first)))
		d.awaitStatus("1", keys.TransferCompleted)
		time.Sleep(time.Minute)
		require.Equal(d.t, []event.Name{event.PieceMoved}, endsTold(o))
	})
}

// A coordinator writes that a part has FAILED, and tells it, just before its server does: the server
// tells nothing.
func TestEndThatAnotherTellsIsNotToldAgain(t *testing.T) {
	withTold(t, func(d *desk, o *told.Events) {
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
		require.Empty(d.t, endsTold(o), "the end of a part is told twice")
		require.Equal(d.t, "CRDN-1", d.entry("1").EndedBy)
	})
}
