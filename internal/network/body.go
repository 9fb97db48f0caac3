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

// movingBody is a request body that has to arrive at a least rate. A read waits for as
// long as the credit of the body lasts. The credit is stall at first; every byte that arrives adds to it, up
// to stall. What a handler does between two reads takes nothing from it.
//
// The deadline is taken back after each read, because a handler may work for longer between two reads,
// and in HTTP/2 a deadline that has passed ends the body for good.
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

// newMovingBody wraps the body of r. rate is in bytes a second; with 0 or less a body only has to move.
func newMovingBody(w http.ResponseWriter, r *http.Request, stall time.Duration, rate int64) *movingBody {
	b := &movingBody{ReadCloser: r.Body, to: w, control: http.NewResponseController(w), stall: stall, credit: stall, http1: r.ProtoMajor == 1}
	if rate > 0 {
		b.earns = time.Second / time.Duration(rate)
	}
	return b
}

// Stream is for a handler that reads and answers at the same time, and whose request has no end that is
// worth waiting for. The next bytes of the body must arrive within the stall time, however few they are, and once the
// handler returns the answer is sent without the rest. Stream does
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

// read leaves a deadline that has passed in place. Otherwise net/http would read what is left
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

// BodyError is the error to answer if a body cannot be read to its end: the cause if it is known, otherwise
// one of status 400.
func BodyError(err error) error {
	var known *apierror.Error
	if err == nil || errors.As(err, &known) {
		return err
	}
	return apierror.New(apierror.BadRequest, "reading the request body: %w", err)
}
