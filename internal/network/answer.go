package network

import (
	"net/http"
	"time"
)

// answerPiece is how much of an answer a client has to take within the stall time.
const answerPiece = 64 << 10

// retryAfter is how many seconds a 503 tells clients to wait if the handler has set nothing else.
const retryAfter = "1"

// answer is an answer that its client has to take. A client that does not read loses the
// connection, so that the memory of the answer is free again. A handler that sets write
// deadlines itself (a gate, long work that reports its progress) overrides this.
type answer struct {
	http.ResponseWriter
	control *http.ResponseController // of the one inside
	stall   time.Duration
	http1   bool
	own     bool      // the handler sets deadlines
	set     time.Time // when this one has set the deadline
	begun   bool      // the status has been written
}

func newAnswer(w http.ResponseWriter, r *http.Request, stall time.Duration) *answer {
	return &answer{ResponseWriter: w, control: http.NewResponseController(w), stall: stall, http1: r.ProtoMajor == 1}
}

// Unwrap is for http.ResponseController.
func (a *answer) Unwrap() http.ResponseWriter { return a.ResponseWriter }

// SetWriteDeadline is for handlers, by way of http.ResponseController.
func (a *answer) SetWriteDeadline(t time.Time) error {
	a.own = true
	return a.control.SetWriteDeadline(t)
}

// WriteHeader adds to every 503 when to try again.
func (a *answer) WriteHeader(status int) {
	if status == http.StatusServiceUnavailable && !a.begun && a.Header().Get("Retry-After") == "" {
		a.Header().Set("Retry-After", retryAfter)
	}
	a.begun = a.begun || status >= http.StatusOK
	a.ResponseWriter.WriteHeader(status)
}

func (a *answer) Write(p []byte) (written int, err error) {
	a.begun = true
	for {
		piece := p[:min(len(p), answerPiece)]
		a.renew()
		n, err := a.ResponseWriter.Write(piece)
		a.withdraw()
		written += n
		if p = p[n:]; err != nil || len(p) == 0 {
			return written, err
		}
	}
}

// FlushError is Flush, by way of http.ResponseController.
func (a *answer) FlushError() error {
	a.renew()
	defer a.withdraw()
	return a.control.Flush()
}

// renew gives the client the stall time again. It does not set a deadline for every byte, because each is a call of the system.
func (a *answer) renew() {
	if now := time.Now(); !a.own && now.Sub(a.set) > a.stall/8 {
		_ = a.control.SetWriteDeadline(now.Add(a.stall)) // fails if the connection is gone, as writing will
		a.set = now
	}
}

// withdraw takes the deadline back in HTTP/2, where a deadline that passes ends the stream even if
// nothing is being written.
func (a *answer) withdraw() {
	if !a.http1 && !a.own {
		_ = a.control.SetWriteDeadline(time.Time{}) // as above
		a.set = time.Time{}
	}
}

// end bounds how long the last bytes may take that net/http sends after the handler.
func (a *answer) end() {
	a.own = false
	a.renew()
}
