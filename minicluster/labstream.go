package minicluster

import (
	"context"
	"errors"
	"sync"
	"time"

	"stasis/event"
	"stasis/fault"
	"stasis/fault/control"
)

// Watch calls see for each event of each server from now on, those of one process in their order. Of a process that
// is started later it sees all from soon after the start. see must not wait. stop returns when see is not called any more.
func (l *Lab) Watch(ctx context.Context, see func(event.Event)) (stop func(), err error) {
	var one sync.Mutex // events of several processes come one after the other
	tell := func(e event.Event) {
		one.Lock()
		defer one.Unlock()
		see(e)
	}
	watching, end := context.WithCancel(context.WithoutCancel(ctx))
	var watchers sync.WaitGroup
	stop = func() {
		end()
		watchers.Wait()
	}
	nodes := l.once(l.servers.all())
	first := make(chan error, len(nodes))
	for _, n := range nodes {
		watchers.Go(func() { l.watch(watching, n, tell, first) })
	}
	ctx, cancel := context.WithTimeout(ctx, orderLimit)
	defer cancel()
	for range nodes {
		select {
		case failed := <-first:
			err = errors.Join(err, failed)
		case <-ctx.Done():
			err = errors.Join(err, control.Errorf(control.Silent, "not all servers answer to be watched: %v", context.Cause(ctx)))
		}
	}
	if err != nil {
		stop()
		return nil, err
	}
	return stop, nil
}

// watch watches one process after the other of a node. It reports the first attempt; that the node does not
// run is no failure.
func (l *Lab) watch(ctx context.Context, n *node, see see, first chan<- error) {
	tick := time.NewTicker(dialEvery)
	defer tick.Stop()
	var once sync.Once
	report := func(err error) { once.Do(func() { first <- err }) } // there is room for one of each node
	for {
		err := l.watchLife(ctx, n, see, func() { report(nil) })
		if !serious([]error{err}) {
			err = nil
		}
		report(err)
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// watchLife watches one life of a node until it ends.
func (l *Lab) watchLife(ctx context.Context, n *node, see see, begun func()) error {
	c, end, err := l.connect(ctx, n)
	if err != nil {
		return err
	}
	defer end()
	if err := c.Watch(ctx, see); err != nil {
		return err
	}
	begun()
	select {
	case <-c.Gone():
	case <-ctx.Done():
	}
	return nil
}

// connect makes a connection of its own to a node: what was asked for on it ends with it.
func (l *Lab) connect(ctx context.Context, n *node) (*control.Client, func(), error) {
	if l.faults != nil {
		return control.Local(ctx, l.faults)
	}
	r := n.running()
	switch {
	case r == nil || n.failure() != nil:
		return nil, nil, control.Errorf(control.NotRunning, "%s does not run", n.name)
	case r.paused():
		return nil, nil, control.Errorf(control.Silent, "%s is paused", n.name)
	}
	c, err := dialNode(ctx, n, r)
	if err != nil {
		return nil, nil, err
	}
	return c, c.Close, nil
}

// Hold stops the first operation that comes to a step, in whichever process, until End. Moment.After counts the
// events of each process by itself. A process that is started later holds nothing.
func (l *Lab) Hold(ctx context.Context, m fault.Moment) (*LabHold, error) {
	holding, end := context.WithCancel(context.WithoutCancel(ctx))
	h := newLabHold(end)
	ctx, cancel := context.WithTimeout(ctx, orderLimit)
	defer cancel()
	for _, n := range l.once(l.servers.all()) {
		if l.faults == nil && n.state() == control.Removed {
			continue
		}
		c, closing, err := l.connect(ctx, n)
		if err != nil && !serious([]error{err}) {
			h.holdsNot(n.name, err.Error()) // also when it is resumed
			continue
		}
		var held *control.Held
		if err == nil {
			if held, err = c.Hold(ctx, m); err != nil {
				closing()
			}
		}
		if err != nil {
			h.End()
			return nil, err
		}
		h.placed()
		h.waiting.Go(func() {
			defer closing() // which ends the hold
			h.await(holding, n.name, held)
		})
	}
	h.madeAll()
	return h, nil
}
