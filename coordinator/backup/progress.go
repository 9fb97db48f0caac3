package backup

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	dbserver "stasis/dbserver/client"
	"stasis/internal/apierror"
)

// stalled is the error of a server that answers, and gets nothing done.
type stalled struct {
	member
	after time.Duration
	last  dbserver.Progress
}

func (e *stalled) Error() string {
	return fmt.Sprintf("DB server %s makes no progress: it %s, and has done nothing for %v (%d calls of its file system before); its disk hangs or is overloaded",
		e.name, doing(e.last), e.after, e.last.Done)
}

func doing(p dbserver.Progress) string {
	if p.Doing == "" {
		return "begins its work"
	}
	return p.Doing
}

// progress watches one server's long work. It may take as long as it takes, as long as
// something of it gets done: bytes, files, syncs.
type progress struct {
	member
	limit time.Duration
	end   context.CancelCauseFunc // of the request
	timer *time.Timer

	mu    sync.Mutex
	heard bool // since the last progress
	last  dbserver.Progress
}

// whileItProgresses does long work on a server and cuts it off when the server has got
// nothing done of it for Timing.Deaf, or has not been heard for so long.
func whileItProgresses[A any](ctx context.Context, s *Service, m member, call func(context.Context) (A, error)) (A, error) {
	bounded := ctx
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	p := &progress{member: m, limit: s.Timing.Deaf, end: cancel}
	p.timer = time.AfterFunc(p.limit, p.stuck)
	defer p.timer.Stop()
	answer, err := call(dbserver.WithProgress(ctx, p.note))
	var stuck *stalled
	var silent *silence
	if cause := context.Cause(ctx); err != nil && (errors.As(cause, &stuck) || errors.As(cause, &silent)) {
		return answer, cause
	}
	if cause := context.Cause(bounded); err != nil && cause != nil && !errors.Is(cause, context.Canceled) {
		return answer, fmt.Errorf("%w; it %s", cause, p.doing())
	}
	return answer, err
}

func (p *progress) note(now dbserver.Progress) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.heard = true
	if now != p.last {
		p.last, p.heard = now, false
		p.timer.Reset(p.limit)
	}
}

func (p *progress) doing() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return doing(p.last)
}

func (p *progress) stuck() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.heard {
		p.end(&silence{p.member, apierror.New(apierror.ConnectionLost, "no word from it for %v", p.limit)})
		return
	}
	p.end(&stalled{p.member, p.limit, p.last})
}
