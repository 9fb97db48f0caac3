package engine

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"stasis/internal/apierror"
)

// pollStall is how often PrepareCut looks whether a stall is near.
const pollStall = 10 * time.Millisecond

// Cut is a copy of the engine whose content is fixed and whose files follow.
type Cut struct {
	e     *Engine
	dir   string
	epoch uint64
	took  time.Duration

	folder  chan struct{} // closed when the version and the list of logs are fixed
	proceed chan struct{} // closed when the checkpoint may go on
	once    sync.Once     // closes proceed
	dropped bool          // set before proceed is closed: the checkpoint must fail
	newLog  uint64        // set before proceed is closed: every file must be older

	links atomic.Int64 // hard links made
	work  Meter        // of what is done in the folder

	done chan struct{} // closed when err is set
	err  error
}

// PrepareCut does ahead of a cut what would otherwise happen while writers are
// held: it flushes and waits until flushes are done and no write stall is near.
// When ctx ends first, it answers with ctx's error.
func (e *Engine) PrepareCut(ctx context.Context) error {
	if err := e.enter(); err != nil {
		return err
	}
	defer e.leave()
	if err := e.refuse(); err != nil {
		return err
	}
	MeterOf(ctx).Doing("flushes its memory", e.fs.tables.count)
	flushed := make(chan error, 1)
	e.work.Go(func() { flushed <- e.guard(e.db.Flush) })
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
	for e.stallNear() {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return fmt.Errorf("wait until no write stall is near: %w", ctx.Err())
		}
	}
	return nil
}

// stallNear says whether one more rotation could meet a write stall.
func (e *Engine) stallNear() bool {
	m := e.db.Metrics()
	return m.MemTable.Size > memTableStopCount/2*e.options.MemTableBytes ||
		int(m.Levels[0].Sublevels) >= l0StopReadAmp/2
}

// BeginCut fixes the engine's present content as the content of the copy that
// will appear in dir, and returns as soon as it is fixed. Everything committed
// before the call is in it, and nothing committed after it returned. What is
// committed in between may be either way: the caller keeps writers out by its
// gate. dir must not exist; its parent should. One cut at a time.
//
// When ctx ends first, the answer is apierror.CutMissed and nothing of the
// attempt remains, though its last traces may go a moment later.
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
		return nil, missed("another cut is under way", begun, ctx)
	}
	c := &Cut{
		e: e, dir: dir, epoch: e.Epoch(),
		folder: make(chan struct{}), proceed: make(chan struct{}), done: make(chan struct{}),
	}
	e.fs.watch(c)
	e.work.Go(c.checkpoint)
	select {
	case <-c.folder:
	case <-c.done:
		return nil, c.err
	case <-ctx.Done():
		c.drop()
		return nil, missed("the engine's version", begun, ctx)
	}
	rotated := make(chan error, 1)
	e.work.Go(func() { rotated <- e.rotate() })
	select {
	case err := <-rotated:
		if err != nil {
			c.drop()
			return nil, fmt.Errorf("rotate the log: %w", translate(err))
		}
	case <-ctx.Done():
		c.drop()
		return nil, missed("the rotation of the log", begun, ctx)
	}
	c.newLog = e.lastLog.Load()
	c.took = time.Since(begun)
	c.once.Do(func() { close(c.proceed) })
	return c, nil
}

func missed(what string, begun time.Time, ctx context.Context) error {
	return apierror.New(apierror.CutMissed, "cut missed its deadline after %s, waiting for %s: %w",
		time.Since(begun).Round(100*time.Microsecond), what, ctx.Err())
}

// rotate closes the present log and begins a new one, with a new memtable.
func (e *Engine) rotate() error {
	return e.guard(func() error {
		_, err := e.db.AsyncFlush()
		return err
	})
}

// checkpoint makes the copy. It ends the cut.
func (c *Cut) checkpoint() {
	err := c.e.guard(func() error { return c.e.db.Checkpoint(c.dir) })
	if err == nil {
		err = c.checkFiles()
		if err != nil {
			_ = c.e.fs.RemoveAll(c.dir) // the owner of dir removes it too
		}
	}
	if err != nil {
		c.err = fmt.Errorf("cut into %s: %w", c.dir, translate(err))
	}
	c.e.fs.unwatch()
	close(c.done)
	<-c.e.cutting
}

// checkFiles proves from the names alone that nothing in the copy is younger
// than the cut: file numbers come from one counter.
func (c *Cut) checkFiles() error {
	names, err := c.e.fs.List(c.dir)
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
	if links := int(c.links.Load()); links < tables {
		return fmt.Errorf("%d of %d tables are copies instead of hard links", tables-links, tables)
	}
	return nil
}

// fileNumber reads the number in the name of an engine's file.
func fileNumber(name string) (uint64, bool) {
	digits, _, _ := strings.Cut(name, ".")
	if _, after, ok := strings.Cut(digits, "-"); ok {
		digits = after
	}
	digits, _, _ = strings.Cut(digits, "-") // a log's later segments: 000007-001.log
	n, err := strconv.ParseUint(digits, 10, 64)
	return n, err == nil
}

// IsImmutable says whether an engine's file of this name never changes once it is
// complete, so that it may be shared by hard links.
func IsImmutable(name string) bool {
	return strings.HasSuffix(name, ".sst") || strings.HasSuffix(name, ".blob")
}

// Dir is where the copy appears.
func (c *Cut) Dir() string { return c.dir }

// Epoch is the restore epoch of the content.
func (c *Cut) Epoch() uint64 { return c.epoch }

// Took is how long it took to fix the content.
func (c *Cut) Took() time.Duration { return c.took }

// Wait answers when the copy is complete and synced, or why it is not: then
// nothing of it remains. When ctx ends first the cut goes on; Wait again, or Drop.
func (c *Cut) Wait(ctx context.Context) error {
	MeterOf(ctx).Doing("links and copies the files of its cut", c.work.count)
	select {
	case <-c.done:
		return c.err
	case <-ctx.Done():
		return fmt.Errorf("wait for the links of %s: %w", c.dir, ctx.Err())
	}
}

// Drop gives the cut up and removes its folder. It waits until that is done.
func (c *Cut) Drop() error {
	c.drop()
	<-c.done
	if err := c.e.fs.RemoveAll(c.dir); err != nil {
		return fmt.Errorf("remove cut %s: %w", c.dir, err)
	}
	return nil
}

// drop makes the checkpoint fail if it has not got past its folder.
func (c *Cut) drop() {
	c.once.Do(func() {
		c.dropped = true
		close(c.proceed)
	})
}
