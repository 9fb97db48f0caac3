package director

import (
	"context"
	"errors"
	"sync"
)

// turns let one action at a time end or start a server: a server that is killed may take its time to end, and must not
// be started meanwhile. Waiting for a turn is no mutex, which would stop virtual time.
type turns struct {
	mu  sync.Mutex // held shortly
	all map[string]chan struct{}
}

func (t *turns) of(server string) chan struct{} {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.all == nil {
		t.all = map[string]chan struct{}{}
	}
	if t.all[server] == nil {
		t.all[server] = make(chan struct{}, 1)
	}
	return t.all[server]
}

// forEach does something to servers at once, to each when it is its turn.
func (t *turns) forEach(ctx context.Context, servers []string, do func(server string) error) error {
	errs := make([]error, len(servers))
	var group sync.WaitGroup
	for i, server := range servers {
		group.Go(func() {
			turn := t.of(server)
			select {
			case turn <- struct{}{}:
				defer func() { <-turn }()
				errs[i] = do(server)
			case <-ctx.Done():
				errs[i] = ctx.Err()
			}
		})
	}
	group.Wait()
	return errors.Join(errs...)
}
