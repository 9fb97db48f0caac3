package fanout

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	dbclient "stasis/dbserver/client"
	"stasis/internal/apierror"
)

// stalled is the error of a member that answers and makes no progress.
type stalled struct {
	Member
	after time.Duration
	last  dbclient.Progress
}

func (e *stalled) Error() string {
	return fmt.Sprintf("DB server %s makes no progress: it %s, and has done nothing for %v (%d calls of its file system before); its disk hangs or is overloaded",
		e.Name, doing(e.last), e.after, e.last.Done)
}

func (e *stalled) MemberID() string { return e.ID }

func doing(p dbclient.Progress) string {
	if p.Doing == "" {
		return "begins its work"
	}
	return p.Doing
}

// watch cancels the long request of one member when it makes no progress.
type watch struct {
	Member
	limit  time.Duration
	cancel context.CancelCauseFunc // of the request
	timer  *time.Timer

	mu    sync.Mutex
	heard bool // since the last progress
	last  dbclient.Progress
}

// WhileItProgresses does long work on a member. The work has no time limit, but it is cancelled
// when the member reports no progress for limit, or does not answer for limit. Progress is what
// its file system has done: bytes, files, syncs. The error says which of the two happened. If ctx
// ends first, the error says what the member was doing.
func WhileItProgresses[A any](ctx context.Context, limit time.Duration, m Member, call func(context.Context) (A, error)) (A, error) {
	bounded := ctx
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	w := &watch{Member: m, limit: limit, cancel: cancel}
	w.timer = time.AfterFunc(w.limit, w.expire)
	defer w.timer.Stop()
	answer, err := call(dbclient.WithProgress(ctx, w.note))
	var stuck *stalled
	var unheard *silent
	if cause := context.Cause(ctx); err != nil && (errors.As(cause, &stuck) || errors.As(cause, &unheard)) {
		return answer, cause
	}
	if cause := context.Cause(bounded); err != nil && cause != nil && !errors.Is(cause, context.Canceled) {
		return answer, fmt.Errorf("%w; it %s", cause, w.doing())
	}
	return answer, err
}

func (w *watch) note(now dbclient.Progress) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.heard = true
	// The same report again proves that the process runs, and that it gets nothing done.
	if now != w.last {
		w.last, w.heard = now, false
		w.timer.Reset(w.limit)
	}
}

func (w *watch) doing() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return doing(w.last)
}

func (w *watch) expire() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.heard {
		w.cancel(&silent{w.Member, apierror.New(apierror.ConnectionLost, "no word from it for %v", w.limit)})
		return
	}
	w.cancel(&stalled{w.Member, w.limit, w.last})
}
