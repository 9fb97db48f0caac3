package agency

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
)

const (
	asyncHeader   = "X-Arango-Async"
	asyncIDHeader = "X-Arango-Async-Id"
	jobsPath      = "/_api/job/"

	// jobsKept bounds the jobs whose answers nobody has fetched, and those running:
	// beyond it new ones are refused.
	jobsKept = 4096
	// jobLife is how long an answer is kept for who asked for it.
	jobLife = time.Hour
	// jobBytes bounds one answer that is kept, jobsBytes all together; jobsPart is their part of
	// the memory for large requests, where that is less.
	jobBytes  = 4 << 20
	jobsBytes = 32 << 20
	jobsPart  = 4
)

// jobs are the requests that are answered later: with "x-arango-async: store" the
// answer is fetched from /_api/job, with "true" it is dropped.
type jobs struct {
	base   context.Context
	cancel context.CancelFunc
	wait   sync.WaitGroup
	most   int // bytes of answers that are kept

	mu      sync.Mutex
	last    uint64
	all     map[uint64]*job
	running int
	bytes   int // of the answers that are kept or being made
}

func newJobs(b *budget.Budget) *jobs {
	j := &jobs{last: uint64(time.Now().UnixMicro()), all: map[uint64]*job{}, most: int(min(jobsBytes, b.Largest()/jobsPart))}
	j.base, j.cancel = context.WithCancel(context.Background())
	return j
}

// close ends what runs and waits for it.
func (j *jobs) close() {
	j.mu.Lock()
	j.cancel()
	j.mu.Unlock()
	j.wait.Wait()
}

// begin answers 202 and runs the request. raw is its body, read whole.
func (j *jobs) begin(w http.ResponseWriter, r *http.Request, raw []byte, serve http.HandlerFunc) error {
	store := r.Header.Get(asyncHeader) == "store"
	request := budget.Of(r.Context())
	account := request.Sibling()
	if err := account.Take(request.Held()); err != nil { // the body, what it becomes, the header
		account.Close()
		return err
	}
	ctx, cancel := context.WithCancel(budget.With(j.base, account))
	b := &job{
		jobs: j, cancel: cancel, kept: store, parked: make(chan struct{}), keptAnswer: keptAnswer{header: http.Header{}}, account: request.Sibling(),
	}
	b.park = sync.OnceFunc(func() { close(b.parked) })
	later := r.Clone(ctx)
	later.Header.Del(asyncHeader)
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
		defer b.park()
		serve(b, later)
		b.finish()
	}()
	if strings.HasSuffix(r.URL.Path, "/poll") {
		<-b.parked // at once: it waits for changes only afterwards
	}
	if store {
		w.Header().Set(asyncIDHeader, strconv.FormatUint(id, 10))
	}
	w.Header().Set("Content-Length", "0")
	w.WriteHeader(http.StatusAccepted)
	return nil
}

// add takes a place in the books, if the answer is to be kept, and one among those
// that close waits for.
func (j *jobs) add(b *job, store bool) (uint64, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.base.Err() != nil {
		return 0, apierror.New(apierror.ShuttingDown, "agent is stopping")
	}
	j.expire(time.Now().Add(-jobLife))
	switch {
	case len(j.all) >= jobsKept:
		return 0, apierror.New(apierror.ServiceUnavailable, "%d answers wait to be fetched from %s", len(j.all), jobsPath)
	case j.bytes >= j.most/2:
		return 0, apierror.New(apierror.ServiceUnavailable, "answers of %d bytes wait to be fetched from %s", j.bytes, jobsPath)
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

// expire drops the answers that came before a moment. Callers hold mu.
func (j *jobs) expire(before time.Time) {
	for id, b := range j.all {
		if b.done && b.ended.Before(before) {
			j.forget(id)
		}
	}
}

// ended takes a job's goroutine out of the books.
func (j *jobs) ended(b *job) {
	j.mu.Lock()
	j.running--
	if !b.kept {
		j.release(b)
	}
	j.mu.Unlock()
	j.wait.Done()
}

// forget drops a job from the books. Callers hold mu.
func (j *jobs) forget(id uint64) {
	b := j.all[id]
	b.kept = false
	j.release(b)
	delete(j.all, id)
}

// release gives back what the answer of a job takes. Callers hold mu.
func (j *jobs) release(b *job) {
	j.bytes -= b.body.Len()
	b.body = bytes.Buffer{}
	b.account.Close()
}
