package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"strconv"
	"time"

	"stasis/client/certificate"
	"stasis/internal/apierror"
)

// Bounds of a [GateLockRequest]. Writers queue all through a window, so a longer window only
// harms. A coordinator asks for a lease of its window, of the deadline of a cut (1 s by
// default) and of a few silences; a minute is more than it needs beside the window.
const (
	MaxGateWindow = 5 * time.Minute
	MaxGateLease  = MaxGateWindow + time.Minute
)

// The request that asks for the gate also holds it. Its body is a [GateLockRequest] in a line, and
// then an empty line, a beat, every [GateBeat]. The answer has a line for each [GateEvent]: one for
// each beat, and those that say what has become of the lock. The server opens the gate when it
// has read no beat for [GateSilence], or when the request ends. The coordinator gives the attempt
// up when it has read no event for as long.
const (
	GateBeat    = 100 * time.Millisecond
	GateSilence = 500 * time.Millisecond
)

// GateEvent is a line of the answer to [GateLockRequest]. Without attributes it answers a beat.
type GateEvent struct {
	Granted *GateLockResponse `json:"granted,omitempty"` // the gate is held from now on
	Ended   *apierror.Error   `json:"ended,omitempty"`   // the last event: not granted, or lost
	Opened  bool              `json:"opened,omitempty"`  // the last event: released
}

// GateLockRequest asks for the gate exclusively, for Nonce, waiting at most
// Window, holding at most Lease from the grant. Attempt counts from 1 under the nonce.
type GateLockRequest struct {
	ID            string  `json:"id"`
	Nonce         string  `json:"nonce"`
	Attempt       uint64  `json:"attempt"`
	WindowSeconds float64 `json:"windowSeconds"`
	LeaseSeconds  float64 `json:"leaseSeconds"`

	LockMode LockMode `json:"lockMode,omitempty"` // transactions or commits; "" is transactions, of a coordinator that knows no other
}

// LockMode is the lock mode of a create.
type LockMode = certificate.LockMode

// Lock modes in which a gate is held.
const (
	LockModeTransactions = certificate.LockModeTransactions
	LockModeCommits      = certificate.LockModeCommits
)

// GateLockResponse says how long the lock waited.
type GateLockResponse struct {
	WaitedSeconds float64 `json:"waitedSeconds"`
}

// GateReleaseRequest opens the gate if this attempt holds or waits for it. With Final
// it stands for all attempts, and a lock for Nonce that arrives later is refused.
type GateReleaseRequest struct {
	ID      string `json:"id"`
	Nonce   string `json:"nonce"`
	Attempt uint64 `json:"attempt"`
	Final   bool   `json:"final,omitempty"`
}

// GateReleaseResponse is the evidence. The dead times cover all attempts under this nonce
// so far, since the last release.
type GateReleaseResponse = certificate.Gate

// ErrSilent is wrapped by the ConnectionLost error of a gate whose server has not answered a
// beat for [GateSilence].
var ErrSilent = errors.New("no beat was answered for " + GateSilence.String())

// GateLock asks for the gate exclusively, and holds it for as long as the call lasts: it
// sends a beat every [GateBeat] until ctx ends. It calls granted when the gate is held. It
// returns why it is not held any more, or why it never was: [apierror.LockTimeout] when the
// window ended, GateLost when the server opened it, ConnectionLost when the server is
// silent ([ErrSilent]) or gone, or when ctx ended (its cause). Nil: it was released.
func (c *Client) GateLock(ctx context.Context, t Target, r GateLockRequest, granted func(GateLockResponse)) error {
	first, err := Encode(r)
	if err != nil {
		return fmt.Errorf("encode request %s: %w", PathGateLock, err)
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	heard := time.AfterFunc(GateSilence, func() { cancel(ErrSilent) })
	defer heard.Stop()
	sent := false
	traced := httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) { sent = true }})
	req, err := http.NewRequestWithContext(traced, http.MethodPost, t.URL+PathGateLock, newBeats(ctx, append(first, '\n')))
	if err != nil {
		return fmt.Errorf("request %s: %w", PathGateLock, err)
	}
	req.Header.Set("Content-Type", "application/x-ndjson")
	req.Header.Set(EpochHeader, strconv.FormatUint(t.Epoch, 10))
	resp, err := c.http.Do(req)
	if err != nil {
		if !sent {
			err = fmt.Errorf("%w: %w", ErrNotSent, err)
		}
		return broken(ctx, t, err)
	}
	defer func() { _ = resp.Body.Close() }() // the connection is not kept: its request may not have ended
	if err := apierror.FromResponse(resp); err != nil {
		return err
	}
	events := json.NewDecoder(resp.Body)
	for {
		var e GateEvent
		heard.Reset(GateSilence)
		if err := events.Decode(&e); err != nil {
			return broken(ctx, t, fmt.Errorf("read answer: %w", err))
		}
		switch {
		case e.Ended != nil:
			return e.Ended
		case e.Opened:
			return nil
		case e.Granted != nil:
			granted(*e.Granted)
		}
	}
}

// broken says why a request ended that holds a gate: ctx's cause if ctx has ended.
func broken(ctx context.Context, t Target, err error) error {
	if cause := context.Cause(ctx); cause != nil {
		err = cause
	}
	return lost(t, PathGateLock, err)
}

// beats is the body of a request that holds a gate: its first line, and then an empty
// one every GateBeat until ctx ends. A beat is made when it is read, so none wait in it.
type beats struct {
	first []byte
	tick  *time.Ticker
	end   <-chan struct{}
}

func newBeats(ctx context.Context, first []byte) *beats {
	return &beats{first: first, tick: time.NewTicker(GateBeat), end: ctx.Done()}
}

func (b *beats) Read(p []byte) (int, error) {
	if n := copy(p, b.first); n > 0 {
		b.first = b.first[n:]
		return n, nil
	}
	select {
	case <-b.end:
		return 0, io.EOF
	case <-b.tick.C:
		return copy(p, "\n"), nil
	}
}

func (b *beats) Close() error {
	b.tick.Stop()
	return nil
}

// GateRelease opens the gate and brings the evidence of how it was held.
func (c *Client) GateRelease(ctx context.Context, t Target, r GateReleaseRequest) (GateReleaseResponse, error) {
	return call[GateReleaseResponse](ctx, c, t, PathGateRelease, r)
}
