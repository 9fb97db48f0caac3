package network

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"

	"stasis/internal/apierror"
	"stasis/internal/failpoint"
)

// movingBody is a request body that has to come at a least rate. It may be waited for as
// long as its credit lasts: stall at first; every byte that comes earns some, but it never
// saves up more than stall. What a handler does between two reads costs nothing.
//
// The deadline is taken back after each read: what a handler does between two reads
// may take longer, and in HTTP/2 a deadline that has passed ends the body for good.
type movingBody struct {
	io.ReadCloser
	to      http.ResponseWriter
	control *http.ResponseController
	stall   time.Duration
	earns   time.Duration // by each byte; 0: all of stall, at once
	credit  time.Duration
	stream  bool
	http1   bool
	ended   error // of the body: a deadline is a call of the system, which its end needs not
}

// newMovingBody wraps the body of r. rate is in bytes a second; not more than 0: the body
// need only move.
func newMovingBody(w http.ResponseWriter, r *http.Request, stall time.Duration, rate int64) *movingBody {
	b := &movingBody{ReadCloser: r.Body, to: w, control: http.NewResponseController(w), stall: stall, credit: stall, http1: r.ProtoMajor == 1}
	if rate > 0 {
		b.earns = time.Second / time.Duration(rate)
	}
	return b
}

// Stream says that the request's body has no end that is worth waiting for: its next
// bytes must come within stall, however few they are, and once the handler returns the
// answer is sent without the rest. The handler reads and answers at the same time. It does
// nothing for a request that no Server of this package serves.
func Stream(w http.ResponseWriter, r *http.Request, stall time.Duration) error {
	if b, ok := r.Body.(*movingBody); ok {
		b.stall, b.credit, b.earns, b.stream = stall, stall, 0, true
	}
	return http.NewResponseController(w).EnableFullDuplex()
}

func (b *movingBody) Read(p []byte) (int, error) {
	if b.ended != nil {
		return 0, b.ended
	}
	n, err := b.read(p)
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded) && !b.stream:
		err = apierror.New(apierror.RequestTimeout, "the request body comes too slowly: %w", err)
		if b.http1 {
			b.to.Header().Set("Connection", "close") // what comes next is not the next request
		}
	case err != nil:
		if derr := b.control.SetReadDeadline(time.Time{}); derr != nil && err == io.EOF { //nolint:errorlint // the very value, by the rules of io.Reader
			err = fmt.Errorf("read body: %w", derr)
		}
	}
	b.ended = err
	return n, err
}

// read leaves a deadline that has passed as it is: net/http itself would read what is left
// of the body, and wait for it.
func (b *movingBody) read(p []byte) (int, error) {
	if b.credit <= 0 {
		return 0, fmt.Errorf("read body: %w", os.ErrDeadlineExceeded)
	}
	begun := time.Now()
	if err := b.control.SetReadDeadline(begun.Add(b.credit)); err != nil {
		return 0, fmt.Errorf("read body: %w", err)
	}
	n, err := b.ReadCloser.Read(p)
	if b.earns == 0 || failpoint.Off("body-least-rate") {
		b.credit = b.stall
	} else {
		b.credit = min(b.stall, b.credit-time.Since(begun)+time.Duration(n)*b.earns)
	}
	if err == nil {
		if err = b.control.SetReadDeadline(time.Time{}); err != nil {
			err = fmt.Errorf("read body: %w", err)
		}
	}
	return n, err
}

// BodyError is the answer to a body that cannot be read to its end: what is known to be
// wrong with it, or 400.
func BodyError(err error) error {
	var known *apierror.Error
	if err == nil || errors.As(err, &known) {
		return err
	}
	return apierror.New(apierror.BadRequest, "reading the request body: %w", err)
}
