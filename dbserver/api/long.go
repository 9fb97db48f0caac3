package api

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"sync"
	"time"

	dbclient "stasis/dbserver/client"
	"stasis/dbserver/engine"
	"stasis/internal/apierror"
)

// mode is how a request is answered.
type mode int

// long is for work that may take any time: the answer says how far it is until it is done.
const long mode = 1

// serve does the work of a request and answers.
func serve(ctx context.Context, w http.ResponseWriter, how []mode, work func(context.Context) (any, error)) {
	if !slices.Contains(how, long) {
		answer, err := work(ctx)
		reply(ctx, w, answer, err)
		return
	}
	meter := &engine.Meter{}
	out := &lines{to: w, control: http.NewResponseController(w)}
	answer, err := func() (any, error) {
		done := make(chan struct{})
		var telling sync.WaitGroup
		telling.Go(func() { out.tell(meter, done) })
		defer telling.Wait() // two goroutines must not write to one answer
		defer close(done)
		return work(engine.WithMeter(ctx, meter))
	}()
	last := dbclient.LongEvent{}
	if err == nil {
		last.Answer, err = encode(answer)
	}
	if err != nil {
		last.Error = apierror.From(err)
	}
	out.write(last)
}

func encode(answer any) (json.RawMessage, error) { return dbclient.Encode(answer) }

// lines is an answer that is written line by line. One goroutine at a time writes.
type lines struct {
	to      http.ResponseWriter
	control *http.ResponseController
}

// tell says, until done, how far the work is. What the meter reads is in memory: while the
// disk hangs it says the same again and again, and that is what the coordinator goes by.
func (l *lines) tell(meter *engine.Meter, done <-chan struct{}) {
	l.to.Header().Set("Content-Type", "application/x-ndjson")
	tick := time.NewTicker(dbclient.ProgressEvery)
	defer tick.Stop()
	for {
		select {
		case <-done:
			return
		case <-tick.C:
			var e dbclient.LongEvent
			e.Doing, e.Done = meter.Read()
			l.write(e)
		}
	}
}

// write returns no error: if the client is gone, the context of the work ends, and the work with it.
func (l *lines) write(e dbclient.LongEvent) {
	raw, err := dbclient.Encode(e)
	if err != nil {
		raw, _ = dbclient.Encode(dbclient.LongEvent{Error: apierror.From(err)}) // an error can always be encoded
	}
	_ = l.control.SetWriteDeadline(time.Now().Add(dbclient.ProgressPatience))
	_, _ = l.to.Write(append(raw, '\n'))
	_ = l.control.Flush()
}
