package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"stasis/client"
)

const (
	importAtOnce  = 4  // batches
	importDetails = 10 // how many refused lines are shown
)

// finishLimit bounds how long an interrupted import waits for the answers to what
// it has sent.
const finishLimit = 30 * time.Second

// importer sends documents to a collection.
type importer struct {
	db          *client.Database
	collection  string
	onDuplicate client.OnDuplicate
}

// send reads lines and sends them in batches, a few at once. When ctx ends or a
// batch fails it sends no more, and waits for the answers that are still to come, so that what
// it counts is what is in the collection.
func (i importer) send(ctx context.Context, in io.Reader, done io.Writer) (client.ImportResult, error) {
	sending, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	defer context.AfterFunc(ctx, func() { time.AfterFunc(finishLimit, cancel) })()
	reading, stop := context.WithCancel(ctx)
	defer stop()
	batches := readBatches(reading, in)
	var mu sync.Mutex
	var total client.ImportResult
	var senders errgroup.Group
	senders.SetLimit(importAtOnce)
	var readErr error
	for {
		b, more := next(reading, batches)
		if !more {
			break
		}
		if readErr = b.err; readErr != nil {
			break
		}
		senders.Go(func() error {
			r, err := i.db.Import(sending, i.collection, i.onDuplicate, bytes.NewReader(b.lines))
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				stop()
				return b.failed(err)
			}
			add(&total, r, b.before)
			_, _ = done.Write(b.lines) // a progress bar
			return nil
		})
	}
	return total, errors.Join(senders.Wait(), readErr, ctx.Err())
}

// next gives the next batch, if there is one before ctx ends.
func next(ctx context.Context, batches <-chan batch) (b batch, more bool) {
	select {
	case b, more = <-batches:
		return b, more
	case <-ctx.Done():
		return batch{}, false
	}
}

// add counts one batch's result, which stood after so many lines.
func add(total *client.ImportResult, r client.ImportResult, before int) {
	total.Created += r.Created
	total.Updated += r.Updated
	total.Ignored += r.Ignored
	total.Errors += r.Errors
	total.Empty += r.Empty
	if room := importDetails - len(total.Details); room > 0 {
		details := atLines(r.Details, before)
		total.Details = append(total.Details, details[:min(room, len(details))]...)
	}
}
