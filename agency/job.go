package agency

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"stasis/internal/budget"
)

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
	kept   bool // the answer may be fetched
	// account is what the answer holds, as long as it is kept.
	account *budget.Account
}

// readBody is a body that has been read, and counted.
type readBody struct {
	*bytes.Reader
	raw []byte
}

func (readBody) Close() error { return nil }

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
	// A buffer that grows takes up to twice what it holds.
	if b.body.Len()+len(p) > jobBytes || b.jobs.bytes+len(p) > b.jobs.most || b.account.Take(2*int64(len(p))) != nil {
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
	text, err := json.Marshal(message{fmt.Sprintf("the answer is not kept: at most %d bytes are of one request, and %d of all, if there is memory. Ask without %s", jobBytes, b.jobs.most, asyncHeader)})
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
