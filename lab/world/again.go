package world

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"stasis/fault/control"
)

// dialEvery is how often a process that was just started is looked at for its socket.
const dialEvery = 20 * time.Millisecond

// dial connects to the process of a server. not is the process that it is not: the one before. 0: it is the one that runs.
func dial(ctx context.Context, w World, server string, not int) (*control.Client, error) {
	tick := time.NewTicker(dialEvery)
	defer tick.Stop()
	for {
		n, err := node(w.Nodes(), server)
		if err != nil {
			return nil, err
		}
		c, err := control.Dial(ctx, filepath.Join(n.Dir, control.SocketName))
		if err == nil && c.Hello().PID == n.PID && n.PID != not {
			return c, nil
		}
		if err == nil {
			err = fmt.Errorf("process %d serves it, and the server is process %d", c.Hello().PID, n.PID)
			c.Close()
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil, fmt.Errorf("%s: connect to its control socket: %w", server, errors.Join(ctx.Err(), err))
		}
	}
}

// give gives a process what stands, on a connection of its own, and nothing else: what it was told before is taken back.
func (a *orders) give(ctx context.Context, server string, c *control.Client) (err error) {
	a.with(func() {
		a.owed[server] = true // until it has all
		defer func() {
			if err == nil {
				delete(a.owed, server)
			}
		}()
		if err = a.clear(ctx, server, c); err != nil {
			return
		}
		for _, o := range a.standing {
			if !o.concerns(server) {
				continue
			}
			answer, failed := c.Do(ctx, o.Order)
			if failed != nil {
				err = errors.Join(err, fmt.Errorf("give %s the order %q again: %w", server, o.Do, failed))
				continue
			}
			if r := answer.Rule; r != nil {
				r.Holder = server
				o.began(*r)
			}
		}
	})
	return err
}

// clear takes back what a process was told.
func (a *orders) clear(ctx context.Context, server string, c *control.Client) error {
	for _, o := range a.standing {
		for i := range o.seen.rules {
			if r := &o.seen.rules[i]; r.Holder == server {
				if answer, err := c.Do(ctx, control.Order{Do: control.RuleMet, Rule: r.ID}); err == nil && answer.Rule != nil && answer.Rule.Kind == r.Kind && answer.Rule.Since.Equal(r.Since) {
					r.Met = max(r.Met, answer.Met)
				}
			}
		}
		o.forget(server)
	}
	_, err := c.Do(ctx, control.Order{Do: control.NetHealAll})
	for _, back := range []control.Order{{Do: control.DiskHeal, Server: server}, {Do: control.Clock, Server: server}} {
		if _, failed := c.Do(ctx, back); !errors.Is(failed, control.CannotDo) {
			err = errors.Join(err, failed)
		}
	}
	return err
}

// isOwed reports whether a server has to be given what stands.
func (a *orders) isOwed(server string) (owed bool) {
	a.with(func() { owed = a.owed[server] })
	return owed
}

// ends notes what the orders have met in a process that is about to end, and forgets the hangs of its disk: nothing waits
// any more that hung.
func (a *orders) ends(server string) {
	a.with(func() {
		for _, o := range a.standing {
			for i := range o.seen.rules {
				if o.seen.rules[i].Holder == server {
					o.ask(&o.seen.rules[i])
				}
			}
			o.forget(server)
		}
		a.drop(func(o *order) bool { return o.Do == control.DiskHang && o.Server == server })
	})
}
