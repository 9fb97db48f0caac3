package conformance

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"stasis/client"
	"stasis/lab/world"
)

// Bounds on the world's clock.
const (
	limit    = 2 * time.Minute        // until a fault is met, and until the cluster serves
	short    = 500 * time.Millisecond // of a write while a fault is there
	interval = 20 * time.Millisecond  // between two looks
)

// Names of what the faults break. Every world that is checked has them.
const (
	agent       = "agent-1"
	dbserver    = "dbserver-1"
	coordinator = "coordinator-1"
)

const collection = "conformance"

// scene is a world in which faults are done.
type scene struct {
	t      testing.TB
	ctx    context.Context
	world  world.World
	writes int
}

// write writes through all coordinators to all shards at once, and returns the first error.
func (s *scene) write(each time.Duration, size int) error {
	ctx, cancel := context.WithTimeout(s.ctx, each)
	defer cancel()
	s.writes++
	var group sync.WaitGroup
	clients := s.world.Clients()
	errs := make([]error, 8*len(clients))
	for i := range errs {
		group.Go(func() {
			document := map[string]any{"_key": fmt.Sprintf("%d-%d", s.writes, i), "text": fmt.Sprintf("%0*d", size, i)}
			errs[i] = clients[i%len(clients)].Database("").Put(ctx, collection, document)
		})
	}
	group.Wait()
	return errors.Join(errs...)
}

// backup tries to take a backup.
func (s *scene) backup() error {
	_, err := s.made()
	return err
}

// made tries to take a backup, and gives its id.
func (s *scene) made() (id string, err error) {
	ctx, cancel := context.WithTimeout(s.ctx, limit)
	defer cancel()
	made, err := s.world.Clients()[0].Backups().Create(ctx, client.CreateRequest{Label: "conformance"})
	return made.ID, err
}

// until does something again and again until it is done, and fails the test if that is not within the limit.
func (s *scene) until(what string, try func() error) {
	s.t.Helper()
	tick := time.NewTicker(interval)
	defer tick.Stop()
	end := time.NewTimer(limit)
	defer end.Stop()
	for {
		err := try()
		if err == nil {
			return
		}
		select {
		case <-tick.C:
		case <-end.C:
			s.t.Fatalf("%s: not within %v: %v", what, limit, err)
		case <-s.ctx.Done():
			s.t.Fatalf("%s: %v", what, errors.Join(s.ctx.Err(), err))
		}
	}
}

// serves waits until all coordinators store documents in all shards.
func (s *scene) serves(after string) {
	s.t.Helper()
	s.until("after "+after+" the cluster serves", func() error { return s.write(limit/4, 1) })
}

// nothingLeft waits until nothing is left of operations.
func (s *scene) nothingLeft(after string) {
	s.t.Helper()
	s.until("after "+after+" nothing is left", func() error {
		left, err := s.world.Left(s.ctx)
		if err == nil && len(left) > 0 {
			err = fmt.Errorf("left: %q", left)
		}
		return err
	})
}
