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

const (
	// Header is the header by which a client asks for an async job.
	Header = "X-Arango-Async"
	// IDHeader carries the id of a job in answers.
	IDHeader = "X-Arango-Async-Id"

	// jobBytes bounds one answer.
	jobBytes = 4 << 20
)

// memory is what the kept answers of all jobs take.
type memory struct {
	mu    sync.Mutex // guards the answers, too
	most  int        // bytes
	bytes int        // of the answers that are kept or being made
}

// Job is one request that is answered later. It is the ResponseWriter of its handler. The first
// complete answer counts.
type Job struct {
	memory *memory
	cancel context.CancelFunc
	keptAnswer
	once   sync.Once     // of parked
	parked chan struct{} // closed when what fires a waiting poll will find it
	done   bool          // the answer is complete; guarded by memory.mu
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
	b.memory.mu.Lock()
	defer b.memory.mu.Unlock()
	if !b.done {
		b.done, b.ended = true, time.Now()
	}
}

// WriteHeader sets the status, once.
func (b *Job) WriteHeader(status int) {
	b.memory.mu.Lock()
	defer b.memory.mu.Unlock()
	if !b.done {
		b.keptAnswer.WriteHeader(status)
	}
}

// Write adds to the answer. It never fails: an answer that is too large is replaced by one that
// says so.
func (b *Job) Write(p []byte) (int, error) {
	b.memory.mu.Lock()
	defer b.memory.mu.Unlock()
	if b.done || !b.kept {
		return len(p), nil
	}
	// A buffer that grows takes up to twice what it holds.
	if b.body.Len()+len(p) > jobBytes || b.memory.bytes+len(p) > b.memory.most || b.account.Take(2*int64(len(p))) != nil {
		b.release()
		b.refuse()
		return len(p), nil
	}
	b.memory.bytes += len(p)
	return b.keptAnswer.Write(p)
}

// release gives back the memory of the answer. Callers hold mu.
func (b *Job) release() {
	b.memory.bytes -= b.body.Len()
	b.body = bytes.Buffer{}
	b.account.Close()
}

// refuse replaces an answer that is too large by 413. The request itself has been carried out.
// Callers hold mu.
func (b *Job) refuse() {
	b.done, b.ended = true, time.Now()
	b.header, b.status = http.Header{"Content-Type": answer.JSON}, http.StatusRequestEntityTooLarge
	text, err := json.Marshal(answer.Message{Message: fmt.Sprintf("the answer is too large to be kept: one answer may have %d bytes, all together %d, as far as there is memory. Ask without %s", jobBytes, b.memory.most, Header)})
	if err == nil { // a text
		b.body.Write(text)
		b.memory.bytes += len(text)
	}
}

// Header is that of the answer; after Finish it is a header that is dropped.
func (b *Job) Header() http.Header {
	b.memory.mu.Lock()
	defer b.memory.mu.Unlock()
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
