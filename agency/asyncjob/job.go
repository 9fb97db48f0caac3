package asyncjob

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"sync"
	"time"

	"stasis/agency/answer"
	"stasis/internal/budget"
)

// Job is one request that is answered later. It is the ResponseWriter of its handler. The first
// complete answer counts.
type Job struct {
	jobs   *Jobs
	cancel context.CancelFunc
	keptAnswer
	once   sync.Once     // of parked
	parked chan struct{} // closed when what fires a waiting poll will find it
	done   bool          // the answer is complete; guarded by Jobs.mu
	ended  time.Time     // when it was complete
	kept   bool          // the answer may be fetched
	// account counts the answer while it is kept.
	account *budget.Account
}

// readBody is a body that was read, and counted, before the job began.
type readBody struct {
	*bytes.Reader
	raw []byte
}

func (readBody) Close() error { return nil }

// Body is the body of a request that runs as a job; ok is false for any other request.
func Body(r *http.Request) (raw []byte, ok bool) {
	read, ok := r.Body.(readBody)
	return read.raw, ok
}

// Park tells that a poll waits from now on: a change that answers it will find it. Begin answers
// a poll only after that.
func (b *Job) Park() { b.once.Do(func() { close(b.parked) }) }

// Finish completes the answer. What is written afterwards is dropped.
func (b *Job) Finish() {
	b.jobs.mu.Lock()
	defer b.jobs.mu.Unlock()
	if !b.done {
		b.done, b.ended = true, time.Now()
	}
}

// WriteHeader sets the status, once.
func (b *Job) WriteHeader(status int) {
	b.jobs.mu.Lock()
	defer b.jobs.mu.Unlock()
	if !b.done {
		b.keptAnswer.WriteHeader(status)
	}
}

// Write adds to the answer. It never fails: an answer that is too large is replaced by one that
// says so.
func (b *Job) Write(p []byte) (int, error) {
	b.jobs.mu.Lock()
	defer b.jobs.mu.Unlock()
	if b.done || !b.kept {
		return len(p), nil
	}
	// A buffer that grows takes up to twice what it holds.
	if b.body.Len()+len(p) > jobBytes || b.jobs.bytes+len(p) > b.jobs.most || b.account.Take(2*int64(len(p))) != nil {
		b.jobs.release(b)
		b.refuse()
		return len(p), nil
	}
	b.jobs.bytes += len(p)
	return b.keptAnswer.Write(p)
}

// refuse replaces an answer that is too large by 413. The request itself has been carried out.
// Callers hold mu.
func (b *Job) refuse() {
	b.done, b.ended = true, time.Now()
	b.header, b.status = http.Header{"Content-Type": answer.JSON}, http.StatusRequestEntityTooLarge
	text, err := json.Marshal(answer.Message{Message: fmt.Sprintf("the answer is not kept: at most %d bytes are of one request, and %d of all, if there is memory. Ask without %s", jobBytes, b.jobs.most, Header)})
	if err == nil { // a text
		b.body.Write(text)
		b.jobs.bytes += len(text)
	}
}

// Header is that of the answer; after Finish it is a header that is dropped.
func (b *Job) Header() http.Header {
	b.jobs.mu.Lock()
	defer b.jobs.mu.Unlock()
	if b.done {
		return http.Header{}
	}
	return b.header
}

// keptAnswer is an answer in memory.
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

// TakesEverything marks a writer that is never slow.
func (*Job) TakesEverything() {}
