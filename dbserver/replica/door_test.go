package replica

import (
	"context"
	"fmt"
	"sync"

	"stasis/agency/agencytest"
	agencyclient "stasis/agency/client"
)

// door is how one process reaches the agency: writes as they are, and a copy of the tree
// that a test can hold back.
type door struct {
	agency *agencytest.Agency

	mu      sync.Mutex
	seen    agencyclient.Snapshot
	changed chan struct{}
	held    bool                                                   // the copy stays as it is
	onWrite func(context.Context, agencyclient.Tx) (uint64, error) // nil: the agency's Write
}

func newDoor(a *agencytest.Agency) *door {
	return &door{agency: a, seen: a.Snapshot(), changed: make(chan struct{})}
}

// follow keeps the copy up to date until ctx ends.
func (d *door) follow(ctx context.Context) {
	for last := uint64(0); ; {
		s, err := d.agency.Wait(ctx, func(s agencyclient.Snapshot) bool { return s.Index > last })
		if err != nil {
			return
		}
		last = s.Index
		d.take()
	}
}

func (d *door) take() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if s := d.agency.Snapshot(); !d.held && s.Index > d.seen.Index {
		d.seen = s
		close(d.changed)
		d.changed = make(chan struct{})
	}
}

// hold has the copy stay as it is, or lets it follow again.
func (d *door) hold(held bool) {
	d.mu.Lock()
	d.held = held
	d.mu.Unlock()
	d.take()
}

// answerWrites has f answer writes from here; nil ends that.
func (d *door) answerWrites(f func(context.Context, agencyclient.Tx) (uint64, error)) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.onWrite = f
}

func (d *door) Write(ctx context.Context, tx agencyclient.Tx) (uint64, error) {
	d.mu.Lock()
	f := d.onWrite
	d.mu.Unlock()
	if f == nil {
		f = d.agency.Write
	}
	return f(ctx, tx)
}

func (d *door) Snapshot() agencyclient.Snapshot {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.seen
}

func (d *door) Sync(ctx context.Context) (agencyclient.Snapshot, error) {
	index := d.agency.Snapshot().Index
	return d.Wait(ctx, func(s agencyclient.Snapshot) bool { return s.Index >= index })
}

func (d *door) Wait(ctx context.Context, ok func(agencyclient.Snapshot) bool) (agencyclient.Snapshot, error) {
	for {
		d.mu.Lock()
		s, changed := d.seen, d.changed
		d.mu.Unlock()
		if ok(s) {
			return s, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return s, fmt.Errorf("waiting for the agency: %w", context.Cause(ctx))
		}
	}
}
