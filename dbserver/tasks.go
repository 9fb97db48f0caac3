package dbserver

import (
	"context"
	"fmt"
	"sync"

	"github.com/hashicorp/go-hclog"
)

// tasks are the server's goroutines.
type tasks struct {
	log    hclog.Logger
	group  sync.WaitGroup
	ctx    context.Context
	stop   context.CancelFunc
	failed chan error
}

func newTasks(log hclog.Logger) *tasks {
	t := &tasks{log: log, failed: make(chan error, 1)}
	t.ctx, t.stop = context.WithCancel(context.Background())
	return t
}

// run starts a task. A task that ends with an error before stop has failed.
func (t *tasks) run(name string, f func(context.Context) error) {
	t.group.Go(func() {
		if err := f(t.ctx); err != nil && t.ctx.Err() == nil {
			t.fail(fmt.Errorf("%s: %w", name, err))
		}
	})
}

// fail tells the owner that the server can no longer work; the first reason counts.
func (t *tasks) fail(err error) {
	select {
	case t.failed <- err:
		t.log.Error("server failed", "error", err)
	default:
	}
}
