package world

import (
	"context"
	"sync"
	"time"

	"stasis/client"
	"stasis/event"
)

// followers tell the steps that coordinators in other processes emit.
type followers struct {
	cancel context.CancelFunc
	group  sync.WaitGroup
}

// again is how soon a coordinator is asked again that has ended its answer.
const again = 100 * time.Millisecond

func followSteps(clients []*client.Client, tell func(event.Event)) *followers {
	ctx, cancel := context.WithCancel(context.Background())
	f := &followers{cancel: cancel}
	for _, c := range clients {
		f.group.Go(func() { followOne(ctx, c, tell) })
	}
	return f
}

// followOne follows one coordinator, also across its restarts. What it emitted while it could not be asked is told
// when it answers, unless it has restarted.
func followOne(ctx context.Context, c *client.Client, tell func(event.Event)) {
	var last time.Time
	for ctx.Err() == nil {
		_ = c.Steps(ctx, client.Follow{New: true}, func(e event.Event) error { // it ends with the coordinator, which is no error here
			if e.At.After(last) {
				last = e.At
				tell(e)
			}
			return nil
		})
		select {
		case <-time.After(again):
		case <-ctx.Done():
		}
	}
}

func (f *followers) stop() {
	f.cancel()
	f.group.Wait()
}
