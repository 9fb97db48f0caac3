package runner

import (
	"context"
	"errors"
	"path/filepath"
	"runtime"
	"sync"
)

// pool makes several runs at once.
type pool struct {
	options Options
	out     string
	folders []string // of the jobs, below out

	mu   sync.Mutex // guards what follows, and calls of Done and Log
	kept int        // folders that stay
	errs []error
}

// run makes all jobs, and returns those that were made before ctx ended.
func (p *pool) run(ctx context.Context, jobs []Job) ([]Result, error) {
	parallel := p.options.Parallel
	if parallel <= 0 {
		parallel = runtime.NumCPU()
	}
	if tell := p.options.Log; tell != nil {
		p.options.Log = func(line string) { // of several runs
			p.mu.Lock()
			defer p.mu.Unlock()
			tell(line)
		}
	}
	results := make([]*Result, len(jobs))
	next := make(chan int)
	var workers sync.WaitGroup
	for range min(parallel, len(jobs)) {
		workers.Go(func() {
			for i := range next {
				results[i] = p.one(ctx, jobs[i], filepath.Join(p.out, p.folders[i]))
			}
		})
	}
	for i := range jobs {
		if ctx.Err() != nil {
			break
		}
		select {
		case next <- i:
		case <-ctx.Done():
		}
	}
	close(next)
	workers.Wait()
	var made []Result
	for _, r := range results {
		if r != nil {
			made = append(made, *r)
		}
	}
	return made, errors.Join(append(p.errs, context.Cause(ctx))...)
}

// one makes a run; nil if it was given up because ctx ended.
func (p *pool) one(ctx context.Context, j Job, folder string) *Result {
	r, err := makeRun(ctx, j, p.options, folder)
	p.mu.Lock()
	defer p.mu.Unlock()
	if err != nil {
		p.errs = append(p.errs, err)
	}
	if r == nil {
		return nil
	}
	if r.Folder != "" {
		p.kept++
	}
	if p.options.Done != nil {
		p.options.Done(*r)
	}
	return r
}
