package engine

import (
	"context"
	"fmt"
	"time"

	"github.com/cockroachdb/pebble/v2"

	"stasis/internal/apierror"
	"stasis/internal/failpoint"
)

// pollStall is how often PrepareCut checks whether a stall is near.
const pollStall = 10 * time.Millisecond

// Cut is a copy of the engine whose content is fixed and whose files follow.
type Cut struct {
	e      *Engine
	copy   *cutCopy
	epoch  uint64
	took   time.Duration
	newLog uint64 // set before the checkpoint goes on: every file must be older

	done chan struct{} // closed when err is set
	err  error
}

// PrepareCut does ahead of a cut what would otherwise happen while writers are held: it
// flushes, and waits until the flush is done and no write stall is near. If ctx ends first,
// it returns ctx's error.
func (e *Engine) PrepareCut(ctx context.Context) error {
	if err := e.enter(); err != nil {
		return err
	}
	defer e.leave()
	if err := e.refuse(); err != nil {
		return err
	}
	if err := refuseDamage(e); err != nil { // before writers are held for a cut that cannot be
		return err
	}
	defer e.fs.sums.Insist()() // the cut will have what is written now
	MeterOf(ctx).Doing("flushes its memory", e.fs.tables.count)
	flushed := make(chan error, 1)
	e.work.Go(func() { flushed <- e.fail.guard(e.writes.flush) })
	select {
	case err := <-flushed:
		if err != nil {
			return fmt.Errorf("flush before the cut: %w", translate(err))
		}
	case <-ctx.Done():
		return fmt.Errorf("flush before the cut: %w", ctx.Err())
	}
	MeterOf(ctx).Doing("compacts until no write stall is near", e.fs.tables.count)
	ticker := time.NewTicker(pollStall)
	defer ticker.Stop()
	for stallNear(e.db, e.options.MemTableBytes) {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return fmt.Errorf("wait until no write stall is near: %w", ctx.Err())
		}
	}
	return nil
}

// stallNear says whether one more rotation could meet a write stall.
func stallNear(db *pebble.DB, memTableBytes uint64) bool {
	m := db.Metrics()
	return m.MemTable.Size > memTableStopCount/2*memTableBytes ||
		int(m.Levels[0].Sublevels) >= l0StopReadAmp/2
}

// BeginCut fixes the engine's present content as the content of the copy that will appear
// in dir, and returns as soon as the content is fixed. The copy has everything that was
// committed before the call, and nothing that is committed after it has returned. What is
// committed in between may be in it or not: the caller keeps writers out by its gate. dir
// must not exist; its parent should. One cut is made at a time.
//
// If ctx ends first, BeginCut returns [apierror.CutMissed] and nothing of the attempt remains,
// although its last traces may be removed a moment later.
func (e *Engine) BeginCut(ctx context.Context, dir string) (*Cut, error) {
	if err := e.enter(); err != nil {
		return nil, err
	}
	defer e.leave()
	if err := e.refuse(); err != nil {
		return nil, err
	}
	begun := time.Now()
	select {
	case e.cutting <- struct{}{}:
	case <-ctx.Done():
		return nil, missed("the end of another cut", begun, ctx)
	}
	c := &Cut{e: e, copy: newCutCopy(dir, e.dir), epoch: e.Epoch(), done: make(chan struct{})}
	e.fs.watch(c.copy)
	e.work.Go(c.checkpoint)
	select {
	case <-c.copy.folder:
	case <-c.done:
		return nil, c.err
	case <-ctx.Done():
		c.copy.drop()
		return nil, missed("the engine's version", begun, ctx)
	}
	rotated := make(chan error, 1)
	e.work.Go(func() { rotated <- e.rotate() })
	select {
	case err := <-rotated:
		if err != nil {
			c.copy.drop()
			return nil, fmt.Errorf("rotate the log: %w", translate(err))
		}
	case <-ctx.Done():
		c.copy.drop()
		return nil, missed("the rotation of the log", begun, ctx)
	}
	c.newLog = e.lastLog.Load()
	c.took = time.Since(begun)
	c.copy.goOn()
	return c, nil
}

func missed(what string, begun time.Time, ctx context.Context) error {
	return apierror.New(apierror.CutMissed, "cut missed its deadline after %s, waiting for %s: %w",
		time.Since(begun).Round(100*time.Microsecond), what, ctx.Err())
}

// rotate closes the present log and begins a new one.
func (e *Engine) rotate() error {
	return e.fail.guard(func() error {
		_, err := e.writes.rotate()
		return err
	})
}

// checkpoint makes the copy. It ends the cut.
func (c *Cut) checkpoint() {
	err := c.e.fail.guard(func() error { return c.e.db.Checkpoint(c.copy.dir) })
	if err == nil {
		if err = c.checkFiles(); err == nil && !failpoint.Off("cut-without-damage") {
			err = c.copy.rotten // a restore would refuse it
		}
		if err != nil {
			_ = c.e.fs.RemoveAll(c.copy.dir) // the owner of dir removes it too
		}
	}
	if err != nil {
		c.err = fmt.Errorf("cut into %s: %w", c.copy.dir, translate(err))
	}
	c.e.fs.unwatch()
	close(c.done)
	<-c.e.cutting
}

// checkFiles proves from the names alone that nothing in the copy is younger
// than the cut: file numbers come from one counter.
func (c *Cut) checkFiles() error {
	names, err := c.e.fs.List(c.copy.dir)
	if err != nil {
		return err
	}
	tables := 0
	for _, name := range names {
		if IsImmutable(name) {
			tables++
		}
		if n, ok := fileNumber(name); ok && n >= c.newLog {
			return fmt.Errorf("%s is younger than the cut (log %d): the order inside the engine has changed", name, c.newLog)
		}
	}
	if links := int(c.copy.links.Load()); links < tables {
		return fmt.Errorf("%d of %d tables are copies instead of hard links", tables-links, tables)
	}
	return nil
}

// Epoch is the restore epoch of the content.
func (c *Cut) Epoch() uint64 { return c.epoch }

// Took is how long it took to fix the content.
func (c *Cut) Took() time.Duration { return c.took }

// Wait returns when the copy is complete and synced. After an error of the cut nothing of
// the copy remains. If ctx ends first, the cut goes on: call Wait again, or Drop.
func (c *Cut) Wait(ctx context.Context) error {
	MeterOf(ctx).Doing("links and copies the files of its cut", c.copy.work.count)
	select {
	case <-c.done:
		return c.err
	case <-ctx.Done():
		return fmt.Errorf("wait for the links of %s: %w", c.copy.dir, ctx.Err())
	}
}

// Sum returns size and SHA-256 (in hex) of a table of the copy, as it was written. It is known only of
// tables whose sums the engine has, and after Wait.
func (c *Cut) Sum(name string) (size int64, sha256 string, known bool) {
	select {
	case <-c.done:
		s, known := c.copy.sums[name]
		return s.Size, s.SHA256, known
	default:
		return 0, "", false
	}
}

// Drop abandons the cut and removes its folder. It waits until that is done.
func (c *Cut) Drop() error {
	c.copy.drop()
	<-c.done
	if err := c.e.fs.RemoveAll(c.copy.dir); err != nil {
		return fmt.Errorf("remove cut %s: %w", c.copy.dir, err)
	}
	return nil
}
