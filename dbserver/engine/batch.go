package engine

import (
	"context"
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2"

	"stasis/internal/failpoint"
)

// Batch gathers writes that become visible and durable together, in the order in
// which they were added. It belongs to one goroutine.
type Batch struct {
	e *Engine
	b *pebble.Batch
}

// NewBatch starts an empty batch. It must end in Commit or Close.
func (e *Engine) NewBatch() *Batch { return &Batch{e: e, b: e.db.NewBatch()} }

// Set writes a key. Key and value are copied.
func (b *Batch) Set(key, value []byte) error { return b.b.Set(key, value, nil) }

// Delete removes a key; it need not exist.
func (b *Batch) Delete(key []byte) error { return b.b.Delete(key, nil) }

// DeleteRange removes all keys from lower (inclusive) to upper (exclusive).
func (b *Batch) DeleteRange(lower, upper []byte) error { return b.b.DeleteRange(lower, upper, nil) }

// Len is the number of writes gathered.
func (b *Batch) Len() int { return int(b.b.Count()) }

// Commit applies the batch, all or nothing. With sync it returns when the batch is on disk;
// without, when it is in the log, to be synced within SyncInterval. After an error other
// than [ErrRefused] the batch may or may not survive: the disk has failed or hangs. The batch
// is spent in any case. To order commits under a lock and wait for the disk outside it,
// call Commit(false) inside and SyncAll outside.
func (b *Batch) Commit(sync bool) error {
	e := b.e
	if err := e.enter(); err != nil {
		return errors.Join(err, b.Close())
	}
	defer e.leave()
	if err := e.refuse(); err != nil {
		return errors.Join(fmt.Errorf("%w: %w", ErrRefused, err), b.Close())
	}
	p := b.b
	b.b = nil // an abandoned call goes on with it
	if err := e.calls.do(func() error { return e.apply(p, sync) }); err != nil {
		return fmt.Errorf("commit: %w", translate(err))
	}
	return nil
}

// apply is a commit that is let in.
func (e *Engine) apply(b *pebble.Batch, sync bool) error {
	if err := failpoint.Hit(context.Background(), "engine/apply", e.dir); err != nil {
		return err
	}
	mark := e.syncer.mark()
	if err := e.writes.apply(b, sync); err != nil {
		return err
	}
	if sync {
		e.syncer.advance(mark)
	} else {
		e.syncer.dirty()
	}
	return b.Close()
}

// Close gives the batch up; harmless after Commit.
func (b *Batch) Close() error {
	if b.b == nil {
		return nil
	}
	p := b.b
	b.b = nil
	return p.Close()
}
