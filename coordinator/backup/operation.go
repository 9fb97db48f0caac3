package backup

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"

	"stasis/internal/step"
)

// operation is one create or restore under way. Its fields are written by the
// operation's own goroutine; emit may be called from the requests it fans out.
type operation struct {
	*Service
	name      string // keys.OperationCreate or keys.OperationRestore
	id        string // backup id
	nonce     string
	mark      string // the value of the agency lock while it is ours
	began     time.Time
	log       hclog.Logger
	undo      undoList
	steps     stopwatch
	announced bool // that it waits for the agency lock

	phase    atomic.Pointer[string] // the last step, told to the agency with the next beat
	emitting sync.Mutex
}

func (s *Service) begin(name, id string) *operation {
	op := &operation{Service: s, name: name, id: id, nonce: newNonce(), began: time.Now()}
	op.log = s.Logger.With("operation", name, "nonce", op.nonce[:8])
	return op
}

// newNonce is 128 random bits: what proves that a lock, a gate or a pending piece
// belongs to this attempt and to no other.
func newNonce() string {
	var bits [16]byte
	_, _ = rand.Read(bits[:]) // never fails; it ends the program instead
	return hex.EncodeToString(bits[:])
}

// emit sends a step event, one at a time, with the operation's name and id.
func (op *operation) emit(ctx context.Context, e step.Event) {
	op.emitting.Lock()
	defer op.emitting.Unlock()
	e.At, e.Operation, e.ID = time.Now(), op.name, op.id
	if e.Server == "" {
		phase := string(e.Step)
		op.phase.Store(&phase)
	}
	op.log.Debug(e.String(), "id", op.id)
	op.Steps.Emit(ctx, e)
}

// since is a moment on the coordinator's monotonic clock, counted from the
// operation's beginning.
func (op *operation) since(t time.Time) float64 { return seconds(t.Sub(op.began)) }

// StepDuration is how long one step of the protocol took.
type StepDuration struct {
	Step    string  `json:"step"`
	Seconds float64 `json:"seconds"`
}

// stopwatch collects the durations of finished steps.
type stopwatch struct{ done []StepDuration }

// stage is one named step of a protocol.
type stage struct {
	name string
	do   func(context.Context) error
}

// run does the stages in order until one fails or ctx ends.
func (w *stopwatch) run(ctx context.Context, stages []stage) error {
	for _, s := range stages {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		start := time.Now()
		if err := s.do(ctx); err != nil {
			return err
		}
		w.done = append(w.done, StepDuration{s.name, seconds(time.Since(start))})
	}
	return nil
}
