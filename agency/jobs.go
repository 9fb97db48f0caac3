package agency

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
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
	// jobBytes bounds one answer that is kept, jobsBytes all together.
	jobBytes  = 4 << 20
	jobsBytes = 32 << 20
)

// jobs are the requests that are answered later: with "x-arango-async: store" the
// answer is fetched from /_api/job, with "true" it is dropped.
type jobs struct {
	base   context.Context
	cancel context.CancelFunc
	wait   sync.WaitGroup

	mu      sync.Mutex
	last    uint64
	all     map[uint64]*job
	running int
	bytes   int // of the answers that are kept or being made
}

// job is one of them. It is the ResponseWriter of its handler; the first whole
// answer counts.
type job struct {
	jobs   *jobs
	cancel context.CancelFunc
	keptAnswer
	park   func()        // closes parked
	parked chan struct{} // closed when what fires a waiting poll will find it
	done   bool          // the answer is whole; guarded by jobs.mu
	ended  time.Time
	kept   bool // somebody may fetch the answer
}

func newJobs() *jobs {
	j := &jobs{last: uint64(time.Now().UnixMicro()), all: map[uint64]*job{}}
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
	account := budget.Of(r.Context()).Sibling()
	if err := account.Take(int64(len(raw))); err != nil {
		account.Close()
		return err
	}
	ctx, cancel := context.WithCancel(budget.With(j.base, account))
	b := &job{jobs: j, cancel: cancel, kept: store, parked: make(chan struct{}), keptAnswer: keptAnswer{header: http.Header{}}}
	b.park = sync.OnceFunc(func() { close(b.parked) })
	later := r.Clone(ctx)
	later.Header.Del(asyncHeader)
	later.Body, later.ContentLength = io.NopCloser(bytes.NewReader(raw)), int64(len(raw))
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
	case j.bytes >= jobsBytes/2:
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
}

// finish makes the answer available; what is written afterwards is lost.
func (b *job) finish() {
	b.jobs.mu.Lock()
	defer b.jobs.mu.Unlock()
	if !b.done {
		b.done, b.ended = true, time.Now()
	}
}

// WriteHeader and Write are keptAnswer's, until the answer is whole.
func (b *job) WriteHeader(status int) {
	b.jobs.mu.Lock()
	defer b.jobs.mu.Unlock()
	if !b.done {
		b.keptAnswer.WriteHeader(status)
	}
}

func (b *job) Write(p []byte) (int, error) {
	b.jobs.mu.Lock()
	defer b.jobs.mu.Unlock()
	if b.done || !b.kept {
		return len(p), nil
	}
	if b.body.Len()+len(p) > jobBytes || b.jobs.bytes+len(p) > jobsBytes {
		b.jobs.release(b)
		b.refuse()
		return len(p), nil
	}
	b.jobs.bytes += len(p)
	return b.keptAnswer.Write(p)
}

// refuse replaces an answer that is too large to be kept. What was asked for has been
// done, as far as it does anything. Callers hold mu.
func (b *job) refuse() {
	b.done, b.ended = true, time.Now()
	b.header, b.status = http.Header{"Content-Type": jsonAnswer}, http.StatusRequestEntityTooLarge
	text, err := json.Marshal(message{fmt.Sprintf("the answer is not kept: at most %d bytes are of one request, and %d of all. Ask without %s", jobBytes, jobsBytes, asyncHeader)})
	if err == nil { // a text
		b.body.Write(text)
		b.jobs.bytes += len(text)
	}
}

// Header is the handler's own once the answer is whole.
func (b *job) Header() http.Header {
	b.jobs.mu.Lock()
	defer b.jobs.mu.Unlock()
	if b.done {
		return http.Header{}
	}
	return b.header
}

// serve answers /_api/job/….
func (j *jobs) serve(w http.ResponseWriter, r *http.Request, rest string) error {
	parts := strings.Split(rest, "/")
	if len(parts) == 1 && r.Method == http.MethodPut {
		return j.fetch(w, parts[0])
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	j.expire(time.Now().Add(-jobLife))
	switch {
	case len(parts) == 1 && r.Method == http.MethodGet:
		return j.look(w, parts[0])
	case len(parts) == 2 && parts[1] == "cancel" && r.Method == http.MethodPut:
		b, _, err := j.find(parts[0])
		if err != nil {
			return err
		}
		b.cancel()
	case len(parts) == 1 && r.Method == http.MethodDelete:
		if err := j.drop(parts[0], r.URL.Query()); err != nil {
			return err
		}
	case len(parts) > 2:
		return apierror.New(apierror.NotFound, "unknown path '%s'", r.URL.Path)
	default:
		return apierror.New(apierror.MethodNotAllowed, "method %s is not supported for %s", r.Method, r.URL.Path)
	}
	answer(w, http.StatusOK, map[string]bool{"result": true})
	return nil
}

func (j *jobs) find(name string) (*job, uint64, error) {
	id, err := strconv.ParseUint(name, 10, 64)
	if b, ok := j.all[id]; ok && err == nil {
		return b, id, nil
	}
	return nil, 0, apierror.New(apierror.NotFound, "no job '%s'", name)
}

// look lists the jobs that are done or pending, or tells which a job is.
func (j *jobs) look(w http.ResponseWriter, name string) error {
	if name == "done" || name == "pending" {
		ids := []string{}
		for id, b := range j.all {
			if b.done == (name == "done") {
				ids = append(ids, strconv.FormatUint(id, 10))
			}
		}
		slices.Sort(ids)
		answer(w, http.StatusOK, ids)
		return nil
	}
	b, id, err := j.find(name)
	if err != nil {
		return err
	}
	w.Header().Set(asyncIDHeader, strconv.FormatUint(id, 10))
	if !b.done {
		w.WriteHeader(http.StatusNoContent)
		return nil
	}
	w.Header().Set("Content-Length", "0")
	w.WriteHeader(http.StatusOK)
	return nil
}

// fetch gives the stored answer, once.
func (j *jobs) fetch(w http.ResponseWriter, name string) error {
	b, id, text, err := j.take(name)
	if err != nil {
		return err
	}
	w.Header().Set(asyncIDHeader, strconv.FormatUint(id, 10))
	if text == nil {
		w.WriteHeader(http.StatusNoContent)
		return nil
	}
	maps.Copy(w.Header(), b.header)
	w.WriteHeader(b.status)
	_, _ = w.Write(text) // the client may be gone
	return nil
}

// take takes an answer out of the books, nil if it is not whole yet.
func (j *jobs) take(name string) (b *job, id uint64, text []byte, err error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.expire(time.Now().Add(-jobLife))
	if b, id, err = j.find(name); err != nil || !b.done {
		return b, id, nil, err
	}
	text = append([]byte{}, b.body.Bytes()...)
	j.forget(id)
	return b, id, text, nil
}

// drop forgets answers: one, all, or those that came before a stamp in seconds.
func (j *jobs) drop(name string, q url.Values) error {
	switch name {
	case "all":
		j.expire(time.Now().Add(time.Second))
	case "expired":
		stamp, err := strconv.ParseFloat(q.Get("stamp"), 64)
		if err != nil || stamp < 0 || stamp > 1<<40 {
			return apierror.New(apierror.BadParameter, "stamp is no number of seconds: %q", q.Get("stamp"))
		}
		j.expire(time.UnixMilli(int64(stamp * 1000)))
	default:
		b, id, err := j.find(name)
		if err != nil {
			return err
		}
		b.cancel()
		j.forget(id)
	}
	return nil
}

// keptAnswer is an answer that is sent later.
type keptAnswer struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (k *keptAnswer) Header() http.Header { return k.header }

func (k *keptAnswer) WriteHeader(status int) {
	if k.status == 0 {
		k.status = status
	}
}

func (k *keptAnswer) Write(p []byte) (int, error) {
	k.WriteHeader(http.StatusOK)
	return k.body.Write(p)
}
