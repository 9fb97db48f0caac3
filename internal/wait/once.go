package wait

import (
	"context"
	"sync"
)

// Once does something once, such as the end of a server. The zero value has not done it.
//
// It is no sync.Once, because that one is a mutex for those who come while it runs: what waits for
// a disk or for the network meanwhile would stop the virtual time of a test, and no context would
// end their wait.
type Once struct {
	mu   sync.Mutex    // not held while it is done
	done chan struct{} // closed when it is done; nil before the first call
	err  error
}

// Do calls do the first time, and returns its error each time. A caller that comes while do runs
// waits for its end, or for that of its own ctx, whose cause it returns then.
func (o *Once) Do(ctx context.Context, do func() error) error {
	o.mu.Lock()
	done, first := o.done, o.done == nil
	if first {
		done = make(chan struct{})
		o.done = done
	}
	o.mu.Unlock()
	if first {
		defer close(done)
		o.err = do()
		return o.err
	}
	select {
	case <-done:
		return o.err
	default:
	}
	select {
	case <-done:
		return o.err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
