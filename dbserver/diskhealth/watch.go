package diskhealth

import (
	"container/list"
	"fmt"
	"sync"
	"time"

	"stasis/internal/apierror"
)

// DefaultLimit is how old an unfinished disk operation may be before the disk counts as
// hanging, unless SetLimit says otherwise.
const DefaultLimit = 3 * time.Second

// looks is how often the Watch looks within one limit.
const looks = 8

// Names of operations, as errors and events have them.
const (
	opWrite  = "write"
	opSync   = "sync"
	opCreate = "create"
	opOpen   = "open for writing"
	opRename = "rename"
	opLink   = "link"
	opMkdir  = "mkdir"
	opExtend = "preallocate"
)

// Hang is a disk operation that does not end.
type Hang struct {
	Op    string // write, sync, create, …
	Path  string
	Since time.Time
}

// String gives the begin, the operation and the path.
func (h *Hang) String() string {
	return fmt.Sprintf("since %s (%s of %s)", h.Since.UTC().Format(time.RFC3339), h.Op, h.Path)
}

// Refusal is the error with which a server refuses what needs the disk: it was not done.
func (h *Hang) Refusal() error {
	return apierror.New(apierror.ServiceUnavailable, "the disk of this server hangs %s: nothing is written before it answers again", h)
}

// Watch knows the unfinished operations on a disk. Its methods may be used from any
// goroutine; its mutex is never held while the disk works.
type Watch struct {
	changed func(*Hang)   // called by the goroutine of Watch when the disk begins or ceases to hang
	ended   chan struct{} // holds a token when the disk has ceased to hang
	stop    chan struct{}
	done    sync.WaitGroup
	probing func() // ends the probe; nil: there is none

	mu         sync.Mutex
	unfinished list.List // of *Hang, the oldest first
	limit      time.Duration
	hung       chan struct{} // closed while the disk is known to hang
	hanging    bool          // hung is closed
	synced     time.Time     // when the last sync ended without an error
}

// NewWatch begins to watch; Close ends it. changed (may be nil) is told each time that
// the disk begins to hang, and with nil when it has ceased to.
func NewWatch(changed func(*Hang)) *Watch {
	w := &Watch{changed: changed, ended: make(chan struct{}, 1), stop: make(chan struct{}), limit: DefaultLimit, hung: make(chan struct{})}
	w.done.Go(w.run)
	return w
}

// Close ends the watch. It waits for a probe that the disk works on, unless it hangs.
func (w *Watch) Close() {
	close(w.stop)
	w.done.Wait()
	if w.probing != nil {
		w.probing()
	}
}

// SetLimit sets the age from which an unfinished operation means that the disk hangs.
func (w *Watch) SetLimit(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.limit = d
}

// Hang is the oldest unfinished operation if it is over the limit, nil otherwise.
func (w *Watch) Hang() *Hang {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.over(w.limit)
}

// Over is the oldest unfinished operation if it is at least so old, nil otherwise.
func (w *Watch) Over(age time.Duration) *Hang {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.over(age)
}

func (w *Watch) over(age time.Duration) *Hang {
	first := w.unfinished.Front()
	if first == nil {
		return nil
	}
	if h := first.Value.(*Hang); time.Since(h.Since) >= age {
		return h
	}
	return nil
}

// Refusal is the error that goes with Hang, nil while the disk does not hang.
func (w *Watch) Refusal() error {
	if h := w.Hang(); h != nil {
		return h.Refusal()
	}
	return nil
}

// Hung gives a channel that is closed once the disk is found to hang. When it answers
// again there is another channel.
func (w *Watch) Hung() <-chan struct{} {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.hung
}

// run looks at the oldest operation now and then, and tells what has changed.
func (w *Watch) run() {
	timer := time.NewTimer(0)
	defer timer.Stop()
	told := false
	for {
		select {
		case <-timer.C:
		case <-w.ended:
		case <-w.stop:
			return
		}
		w.mu.Lock()
		h := w.look()
		w.mu.Unlock()
		if hangs := h != nil; hangs != told {
			if told = hangs; w.changed != nil {
				w.changed(h)
			}
		}
		timer.Reset(w.pause())
	}
}

// pause is how long to wait before the next look.
func (w *Watch) pause() time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	return max(w.limit/looks, 10*time.Millisecond)
}

// look sees to it that hung is closed if and only if the disk hangs. mu is held.
func (w *Watch) look() *Hang {
	h := w.over(w.limit)
	switch hangs := h != nil; {
	case hangs && !w.hanging:
		close(w.hung)
		w.hanging = true
	case !hangs && w.hanging:
		w.hung, w.hanging = make(chan struct{}), false
		select {
		case w.ended <- struct{}{}:
		default:
		}
	}
	return h
}

// do carries out one operation of the disk, and has it among the unfinished ones meanwhile.
func (w *Watch) do(op, path string, f func() error) error {
	h := &Hang{Op: op, Path: path, Since: time.Now()}
	w.mu.Lock()
	e := w.unfinished.PushBack(h)
	w.mu.Unlock()
	var err error
	defer func() { // also when f panics
		w.mu.Lock()
		defer w.mu.Unlock()
		w.unfinished.Remove(e)
		if err == nil && op == opSync {
			w.synced = time.Now()
		}
		if w.hanging { // it may have been the last one that hung
			w.look()
		}
	}()
	err = f()
	return err
}

// lastSync is when the last sync ended.
func (w *Watch) lastSync() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.synced
}
