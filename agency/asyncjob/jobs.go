// Package asyncjob keeps answers that are fetched later. A client that sends "x-arango-async:
// store" is answered 202 at once and fetches the answer from /_api/job; with "true" the answer
// is dropped.
package asyncjob

import (
	"bytes"
	"context"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"stasis/internal/apierror"
	"stasis/internal/budget"
	"stasis/internal/wall"
)

const (
	// Path begins the paths by which jobs are fetched, listed, cancelled and dropped.
	Path = "/_api/job/"

	// jobsKept bounds the jobs whose answers wait to be fetched, and the jobs that run. Beyond
	// it new ones are refused.
	jobsKept = 4096
	// jobLife is how long an answer waits to be fetched.
	jobLife = time.Hour
	// MostBytes bounds all answers that are kept. jobsPart is their part of the memory for large
	// requests, where that is less.
	MostBytes = 32 << 20
	jobsPart  = 4
)

// Jobs are the async jobs of one agent. Its methods may be called from any goroutine.
type Jobs struct {
	base   context.Context
	cancel context.CancelFunc
	wait   sync.WaitGroup
	memory memory

	// memory.mu guards the fields below.
	last    uint64
	all     map[uint64]*Job
	running int
}

// New bounds the answers by a part of a budget. Ids begin with the time, so that those of an earlier process are not
// given again.
func New(b *budget.Budget, wall wall.Clock) *Jobs {
	j := &Jobs{last: uint64(wall.Now().UnixMicro()), all: map[uint64]*Job{}, memory: memory{most: int(min(MostBytes, b.Largest()/jobsPart))}}
	j.base, j.cancel = context.WithCancel(context.Background())
	return j
}

// Close cancels all jobs and returns when none runs any more. Later ones are refused.
func (j *Jobs) Close() {
	j.memory.mu.Lock()
	j.cancel()
	j.memory.mu.Unlock()
	j.wait.Wait()
}

// Begin answers 202 and lets serve go on with the request in a goroutine. raw is the body of the
// request, which the caller has read. The error says why there is no job: nothing was answered
// and serve is not called.
func (j *Jobs) Begin(w http.ResponseWriter, r *http.Request, raw []byte, serve http.HandlerFunc) error {
	store := r.Header.Get(Header) == "store"
	request := budget.Of(r.Context())
	account := request.Sibling()
	if err := account.Take(request.Held()); err != nil { // the body, what it becomes, the header
		account.Close()
		return err
	}
	ctx, cancel := context.WithCancel(budget.With(j.base, account))
	b := &Job{
		memory: &j.memory, cancel: cancel, kept: store, parked: make(chan struct{}), keptAnswer: keptAnswer{header: http.Header{}}, account: request.Sibling(),
	}
	later := r.Clone(ctx)
	later.Header.Del(Header)
	later.Body, later.ContentLength = readBody{bytes.NewReader(raw), raw}, int64(len(raw))
	id, err := j.add(b, store)
	if err != nil {
		cancel()
		account.Close()
		return err
	}
	go func() {
		defer j.ended(b)
		defer account.Close()
		defer cancel()
		defer b.Park()
		serve(b, later)
		b.Finish()
	}()
	if strings.HasSuffix(r.URL.Path, "/poll") {
		<-b.parked // at once: it waits for changes only afterwards
	}
	if store {
		w.Header().Set(IDHeader, strconv.FormatUint(id, 10))
	}
	w.Header().Set("Content-Length", "0")
	w.WriteHeader(http.StatusAccepted)
	return nil
}

// Held is how many bytes the answers take that are kept.
func (j *Jobs) Held() int {
	j.memory.mu.Lock()
	defer j.memory.mu.Unlock()
	return j.memory.bytes
}

// Asked tells whether the client of a request wants an async job.
func Asked(h http.Header) bool {
	mode := h.Get(Header)
	return mode == "store" || mode == "true"
}

// add enters a job, and gives it an id if its answer is to be kept. From then on Close waits for
// it.
func (j *Jobs) add(b *Job, store bool) (uint64, error) {
	j.memory.mu.Lock()
	defer j.memory.mu.Unlock()
	if j.base.Err() != nil {
		return 0, apierror.New(apierror.ShuttingDown, "agent is stopping")
	}
	j.expire(time.Now().Add(-jobLife))
	switch {
	case len(j.all) >= jobsKept:
		return 0, apierror.New(apierror.ServiceUnavailable, "%d answers wait to be fetched from %s", len(j.all), Path)
	case j.memory.bytes >= j.memory.most/2:
		return 0, apierror.New(apierror.ServiceUnavailable, "answers of %d bytes wait to be fetched from %s", j.memory.bytes, Path)
	case j.running >= jobsKept:
		return 0, apierror.New(apierror.ServiceUnavailable, "%d requests are being served whose clients do not wait", j.running)
	}
	j.wait.Add(1)
	j.running++
	j.last++
	if store {
		j.all[j.last] = b
	}
	return j.last, nil
}

// expire drops the answers that were complete before a moment. Callers hold mu.
func (j *Jobs) expire(before time.Time) {
	for id, b := range j.all {
		if b.done && b.ended.Before(before) {
			j.forget(id)
		}
	}
}

// ended notes that the goroutine of a job has ended.
func (j *Jobs) ended(b *Job) {
	j.memory.mu.Lock()
	j.running--
	if !b.kept {
		b.release()
	}
	j.memory.mu.Unlock()
	j.wait.Done()
}

// forget drops a job with its answer. Callers hold mu.
func (j *Jobs) forget(id uint64) {
	b := j.all[id]
	b.kept = false
	b.release()
	delete(j.all, id)
}
