package api

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"sync"
	"time"

	dbclient "stasis/dbserver/client"
	"stasis/dbserver/gate"
	"stasis/dbserver/pieces"
	"stasis/internal/apierror"
	"stasis/internal/failpoint"
	"stasis/internal/network"
)

// gatePatience bounds how long a lock of the gate waits for the agency's word on its nonce.
// The coordinator has to hear the answer before it takes this server for silent.
const gatePatience = dbclient.GateSilence / 2

// gates answers the requests that lock and release the gate.
type gates struct {
	admission *admission
	gate      *gate.Gate
	reader    *pieces.Reader
	events    *gateEvents
}

// lock serves the request that asks for the gate and holds it. Its body is beats, its answer
// events, and when it ends, for whatever reason, the gate opens. See client.GateBeat.
func (g gates) lock(w http.ResponseWriter, r *http.Request) {
	// A body that stands still for longer than the silence has no beats any more.
	if err := network.Stream(w, r, dbclient.GateSilence); err != nil {
		apierror.Write(w, err)
		return
	}
	if r.ProtoMajor == 1 {
		// The body is not read to its end, so nothing can follow it: net/http would look for the end after it had stopped to
		// read beside the handler, begin to read again, and panic in the next request.
		w.Header().Set("Connection", "close")
	}
	body := bufio.NewReader(r.Body)
	claim, err := readClaim(body)
	if err != nil {
		apierror.Write(w, err)
		return
	}
	ctx, _, leave, err := g.admission.enter(r)
	if err != nil {
		apierror.Write(w, err)
		return
	}
	defer leave()
	events := g.events.asked(ctx, claim)
	lock, err := g.claim(ctx, claim)
	if err != nil {
		events.refused(ctx, err)
		apierror.Write(w, err)
		return
	}
	events.claimed(lock)
	var telling sync.WaitGroup
	defer telling.Wait()
	telling.Go(func() { events.follow(ctx) })
	held, over := context.WithCancel(ctx)
	defer over()
	telling.Go(func() { g.endWithHolder(held, lock, claim.Nonce) })
	defer context.AfterFunc(ctx, func() { lock.Break(why(ctx)) })()
	echo := make(chan struct{}, 1)
	telling.Go(func() { tellGate(w, lock, events.granted, echo) })
	lock.Break(followBeats(body, lock, echo))
}

// claim queues a claim if its backup holds the agency lock. When that cannot be told now, the
// attempt has failed like one that has lost the gate, and the coordinator makes another.
func (g gates) claim(ctx context.Context, claim gate.Claim) (*gate.Lock, error) {
	err := g.reader.UnderLockWithin(ctx, claim.ID, claim.Nonce, min(claim.Window, gatePatience))
	if errors.Is(err, apierror.ServiceUnavailable) {
		err = apierror.New(apierror.GateLost, "%w", err)
	}
	if err != nil {
		return nil, err
	}
	return g.gate.Lock(claim)
}

// endWithHolder ends a lock of the gate when its backup has lost the agency lock: the backup
// cannot be committed, and need not hold up writers until its lease ends. It returns when ctx
// ends, which is when the lock has ended or this server stops.
func (g gates) endWithHolder(ctx context.Context, lock *gate.Lock, nonce string) {
	if g.reader.AwaitLost(ctx, nonce) == nil && !failpoint.Off("gate-opens-with-lock") {
		lock.Break("its backup does not hold the agency lock any more")
	}
}

// readClaim reads the first line of the body.
func readClaim(body *bufio.Reader) (gate.Claim, error) {
	line, err := body.ReadSlice('\n')
	if err != nil {
		return gate.Claim{}, apierror.New(apierror.BadRequest, "read the lock request: %w", err)
	}
	var q dbclient.GateLockRequest
	if err := json.Unmarshal(line, &q); err != nil {
		return gate.Claim{}, apierror.New(apierror.CorruptedJSON, "lock request: %w", err)
	}
	window, err := duration("window", q.WindowSeconds, dbclient.MaxGateWindow)
	if err != nil {
		return gate.Claim{}, err
	}
	lease, err := duration("lease", q.LeaseSeconds, dbclient.MaxGateLease)
	if err != nil {
		return gate.Claim{}, err
	}
	if q.Nonce == "" || q.Attempt == 0 {
		return gate.Claim{}, apierror.New(apierror.BadParameter, "a lock needs a nonce, and the number of its attempt")
	}
	mode, err := modeOf(q.LockMode)
	return gate.Claim{ID: q.ID, Nonce: q.Nonce, Attempt: q.Attempt, Mode: mode, Window: window, Lease: lease, Silence: dbclient.GateSilence}, err
}

// modeOf is the gate's mode for a lock mode. A coordinator that names none knows only transactions.
func modeOf(m dbclient.LockMode) (gate.Mode, error) {
	switch m {
	case "", dbclient.LockModeTransactions:
		return gate.Transactions, nil
	case dbclient.LockModeCommits:
		return gate.Commits, nil
	}
	return "", apierror.New(apierror.BadParameter, "lock mode %q: no gate is held in it", string(m))
}

// followBeats reads beats until the lock has ended or no beat comes any more, and returns why
// none comes. A beat counts when it is read here. Nothing between the body and the gate
// buffers beats: a buffered beat would say that the coordinator lives when it does not.
func followBeats(body *bufio.Reader, lock *gate.Lock, echo chan<- struct{}) (reason string) {
	for {
		_, err := body.ReadSlice('\n')
		switch {
		case errors.Is(err, io.EOF):
			return "its request ended"
		case errors.Is(err, os.ErrDeadlineExceeded): // the body's own deadline was first
			return lock.Silent()
		case err != nil:
			return fmt.Sprintf("its beats ended: %v", err)
		}
		lock.Beat()
		select {
		case <-lock.Ended():
			return "it has ended"
		default:
		}
		select {
		case echo <- struct{}{}:
		default: // the answer to the beat before has not left yet
		}
	}
}

// tellGate writes to the coordinator until the lock has ended, or the coordinator does not read.
func tellGate(w http.ResponseWriter, lock *gate.Lock, granted, echo <-chan struct{}) {
	control := http.NewResponseController(w)
	w.Header().Set("Content-Type", "application/x-ndjson")
	tell := func(e dbclient.GateEvent) error {
		line, err := dbclient.Encode(e)
		if err == nil {
			err = control.SetWriteDeadline(time.Now().Add(dbclient.GateSilence))
		}
		if err == nil {
			_, err = w.Write(append(line, '\n'))
		}
		if err == nil {
			err = control.Flush()
		}
		if err != nil {
			lock.Break(fmt.Sprintf("the coordinator does not hear what becomes of it: %v", err))
		}
		return err
	}
	err := tell(dbclient.GateEvent{})
	for err == nil {
		select {
		case <-echo:
			err = tell(dbclient.GateEvent{})
		case <-granted:
			granted = nil
			err = tell(dbclient.GateEvent{Granted: &dbclient.GateLockResponse{WaitedSeconds: lock.Waited().Seconds()}})
		case <-lock.Ended():
			_ = tell(lastEvent(lock.Err())) // it has ended: what is not heard is found out at the release
			return
		}
	}
}

func lastEvent(err error) dbclient.GateEvent {
	if err == nil {
		return dbclient.GateEvent{Opened: true}
	}
	return dbclient.GateEvent{Ended: apierror.From(err)}
}

// why says why ctx has ended.
func why(ctx context.Context) string { return fmt.Sprintf("its request ended: %v", context.Cause(ctx)) }
