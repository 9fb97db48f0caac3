package transfer

import (
	"context"
	"sync"

	"stasis/internal/apierror"
)

// arrivals keeps apart what may bring or remove the same backup here: downloads, which
// would mix what comes from different remotes, and the removal of what a download left.
type arrivals struct {
	mu sync.Mutex
	by map[string]*arrival // by backup
}

type arrival struct {
	job  string // "" for a removal
	over chan struct{}
}

// begin claims a backup for a download; apierror.BackupConflict if another job has it.
// It waits for a removal to end, or for ctx.
func (a *arrivals) begin(ctx context.Context, id, job string) error {
	for {
		a.mu.Lock()
		other := a.by[id]
		if other == nil {
			a.put(id, job)
		}
		a.mu.Unlock()
		switch {
		case other == nil || other.job == job:
			return nil
		case other.job != "":
			return apierror.New(apierror.BackupConflict, "backup %s is being downloaded by job %s", id, other.job)
		}
		select {
		case <-other.over:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

func (a *arrivals) put(id, job string) {
	if a.by == nil {
		a.by = map[string]*arrival{}
	}
	a.by[id] = &arrival{job: job, over: make(chan struct{})}
}

// end gives back the backup that a job has claimed, if it has.
func (a *arrivals) end(id, job string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if it := a.by[id]; it != nil && it.job == job {
		delete(a.by, id)
		close(it.over)
	}
}

// unlessDownloading calls remove while no download has the backup. It does nothing if
// one has it.
func (a *arrivals) unlessDownloading(ctx context.Context, id string, remove func() error) error {
	for {
		a.mu.Lock()
		other := a.by[id]
		if other == nil {
			a.put(id, "")
		}
		a.mu.Unlock()
		switch {
		case other == nil:
			defer a.end(id, "")
			return remove()
		case other.job != "":
			return nil
		}
		select {
		case <-other.over:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}
