package director

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"stasis/client"
	"stasis/event"
	"stasis/lab/history"
	"stasis/lab/scenario"
	"stasis/lab/workload"
)

// loads are the workloads of a run. They run, or they stand still.
type loads struct {
	clients []*client.Client
	all     []workload.Workload

	mu     sync.Mutex // held shortly, never over a wait
	cancel context.CancelFunc
	ended  chan error
	errs   []error
	halted int // restores that go on: the load stands still meanwhile
	ctx    context.Context
}

func (l *loads) setup(ctx context.Context, specs []scenario.Load, h *history.History, seed uint64) error {
	for i, s := range specs {
		s.Spec.Seed = seed*100 + uint64(i)
		w, err := workload.New(s.Spec, h)
		if err != nil {
			return fmt.Errorf("line %d: %w", s.Line, err)
		}
		if err := w.Setup(ctx, l.clients); err != nil {
			return fmt.Errorf("%s: %w", s.Spec.Name, err)
		}
		l.mu.Lock()
		l.all = append(l.all, w)
		l.mu.Unlock()
	}
	return nil
}

// start lets the clients work until stop. ctx ends them at the latest.
func (l *loads) start(ctx context.Context) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.cancel != nil || l.halted > 0 {
		return
	}
	running, cancel := context.WithCancel(ctx)
	l.ctx, l.cancel, l.ended = ctx, cancel, make(chan error, 1)
	go func(ended chan<- error) { ended <- l.run(running) }(l.ended)
}

// hurry is how long the load works at its pace after a step of a backup or restore. Otherwise it works as in a lull.
const hurry = 30 * time.Millisecond

// see receives every event. It must not wait.
func (l *loads) see(e event.Event) {
	if e.Operation != event.Create && e.Operation != event.Restore {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, w := range l.all {
		w.Hurry(hurry)
	}
}

func (l *loads) run(ctx context.Context) error {
	var group sync.WaitGroup
	errs := make([]error, len(l.all))
	for i, w := range l.all {
		group.Go(func() {
			if err := w.Run(ctx, l.clients, grace); err != nil && !errors.Is(err, context.Canceled) {
				errs[i] = fmt.Errorf("%s: %w", w.Spec().Name, err)
			}
		})
	}
	group.Wait()
	return errors.Join(errs...)
}

// stop ends the clients and waits for them. The error is the first of any of their runs.
func (l *loads) stop() error {
	l.mu.Lock()
	cancel, ended := l.cancel, l.ended
	l.cancel, l.ended = nil, nil
	l.mu.Unlock()
	if cancel != nil {
		cancel()
		err := <-ended
		l.mu.Lock()
		l.errs = append(l.errs, err)
		l.mu.Unlock()
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return errors.Join(l.errs...)
}

// halt stops the clients until resume is called as often.
func (l *loads) halt() error {
	l.mu.Lock()
	l.halted++
	l.mu.Unlock()
	return l.stop()
}

// resume lets them go on.
func (l *loads) resume() {
	l.mu.Lock()
	l.halted--
	ctx, go_ := l.ctx, l.halted == 0
	l.mu.Unlock()
	if go_ && ctx != nil {
		l.start(ctx)
	}
}

// restored tells all workloads that the cluster is in the state of a backup.
func (l *loads) restored(ctx context.Context, cut workload.Cut) error {
	for _, w := range l.all {
		if err := w.Restored(ctx, l.clients[0], cut); err != nil {
			return fmt.Errorf("%s: %w", w.Spec().Name, err)
		}
	}
	return nil
}
