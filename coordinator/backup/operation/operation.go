package operation

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"

	"stasis/coordinator/backup/backupid"
	"stasis/event"
)

// Operation is one create or restore. Its own goroutine writes the fields, but not while it sends
// requests in parallel: these may call Emit and read Name, ID, Nonce and Began.
type Operation struct {
	Name  string // keys.OperationCreate or keys.OperationRestore
	ID    string // of the backup; a create changes it until the id is unique
	Nonce string
	Began time.Time
	Log   hclog.Logger
	Undo  Undo
	Steps Stopwatch

	sink     event.Sink
	phase    atomic.Pointer[string]
	emitting chan struct{} // holds a token while the sink is called
}

// New begins an operation.
func New(name, id string, sink event.Sink, log hclog.Logger) *Operation {
	op := &Operation{Name: name, ID: id, Nonce: backupid.Nonce(), Began: time.Now(), sink: sink, emitting: make(chan struct{}, 1)}
	op.Log = log.With("operation", name, "nonce", op.Nonce[:8])
	return op
}

// Emit sends a step event, one at a time, with the operation's name and id. It waits on a channel
// for its turn, so that a sink may sleep in a bubble, and it waits although ctx may have ended: the
// step has happened, and its event must not be lost. The wait is no longer than the sinks before it
// take, and these end with the contexts of their own steps.
func (op *Operation) Emit(ctx context.Context, e event.Event) {
	op.emitting <- struct{}{}
	defer func() { <-op.emitting }()
	e.At, e.Operation, e.ID = time.Now(), op.Name, op.ID
	if e.Server == "" {
		phase := string(e.Step)
		op.phase.Store(&phase)
	}
	op.Log.Debug(e.String(), "id", op.ID)
	op.sink.Emit(ctx, e)
}

// Phase is the last step of the whole operation, "" before the first. Any goroutine may call it.
func (op *Operation) Phase() string {
	if phase := op.phase.Load(); phase != nil {
		return *phase
	}
	return ""
}

// Since returns t on the coordinator's monotonic clock, in seconds since the operation began.
func (op *Operation) Since(t time.Time) float64 { return t.Sub(op.Began).Seconds() }
