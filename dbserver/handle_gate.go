package dbserver

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
	"stasis/internal/apierror"
	"stasis/internal/network"
)

// gateLock serves the request that asks for the gate and holds it: its body is beats,
// its answer events, and with its end the gate opens, whoever ended it. See
// client.GateBeat.
func (s *Server) gateLock(w http.ResponseWriter, r *http.Request) {
	// A body that stands still for longer than the silence has no beats any more.
	if err := network.Stream(w, r, dbclient.GateSilence); err != nil {
		apierror.Write(w, err)
		return
	}
	refuse := func(err error) {
		if r.ProtoMajor == 1 {
			w.Header().Set("Connection", "close") // its body is not read to the end: what comes next is not the next request
		}
		apierror.Write(w, err)
	}
	body := bufio.NewReader(r.Body)
	id, claim, err := readClaim(body)
	if err != nil {
		refuse(err)
		return
	}
	ctx, d, leave, err := s.access.enter(r.Context())
	if err != nil {
		refuse(err)
		return
	}
	defer leave()
	if err := s.checkEpoch(r, d.epoch); err != nil {
		refuse(err)
		return
	}
	lock, err := s.lockGate(ctx, id, claim)
	if err != nil {
		refuse(err)
		return
	}
	var telling sync.WaitGroup
	defer telling.Wait()
	held, over := context.WithCancel(ctx)
	defer over()
	telling.Go(func() { s.endWithHolder(held, lock, claim.Nonce) })
	defer context.AfterFunc(ctx, func() { lock.Break(why(ctx)) })()
	echo := make(chan struct{}, 1)
	telling.Go(func() { tellGate(w, lock, echo) })
	lock.Break(followBeats(body, lock, echo))
}

// lockGate puts a claim into the line if its backup holds the agency lock. When that cannot
// be told just now the attempt has failed like one that has lost the gate, and the
// coordinator makes another.
func (s *Server) lockGate(ctx context.Context, id string, claim gate.Claim) (*gate.Lock, error) {
	err := s.underLock(ctx, id, claim.Nonce, min(claim.Window, gatePatience))
	if errors.Is(err, apierror.ServiceUnavailable) {
		err = apierror.New(apierror.GateLost, "%w", err)
	}
	if err != nil {
		return nil, err
	}
	return s.gate.Lock(claim)
}

// readClaim reads the first line of the body: the backup's id, and its claim.
func readClaim(body *bufio.Reader) (id string, _ gate.Claim, _ error) {
	line, err := body.ReadSlice('\n')
	if err != nil {
		return "", gate.Claim{}, apierror.New(apierror.BadRequest, "read the lock request: %w", err)
	}
	var q dbclient.GateLockRequest
	if err := json.Unmarshal(line, &q); err != nil {
		return "", gate.Claim{}, apierror.New(apierror.CorruptedJSON, "lock request: %w", err)
	}
	window, err := duration("window", q.WindowSeconds, dbclient.MaxGateWindow)
	if err != nil {
		return "", gate.Claim{}, err
	}
	lease, err := duration("lease", q.LeaseSeconds, dbclient.MaxGateLease)
	if err != nil {
		return "", gate.Claim{}, err
	}
	if q.Nonce == "" || q.Attempt == 0 {
		return "", gate.Claim{}, apierror.New(apierror.BadParameter, "a lock needs a nonce, and the number of its attempt")
	}
	return q.ID, gate.Claim{Nonce: q.Nonce, Attempt: q.Attempt, Window: window, Lease: lease, Silence: dbclient.GateSilence}, nil
}

// followBeats hears beats until the lock has ended or none come any more, and says why
// none come. A beat counts when it is read here: nothing stands between body and gate
// that may keep beats.
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

// tellGate writes the events, until the lock has ended or nobody takes them.
func tellGate(w http.ResponseWriter, lock *gate.Lock, echo <-chan struct{}) {
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
	for granted := lock.Granted(); err == nil; {
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
