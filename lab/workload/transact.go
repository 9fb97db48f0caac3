package workload

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"stasis/client"
	"stasis/internal/wait"
	"stasis/lab/history"
)

const (
	lockWait   = time.Second // so that a deadlock of several servers does not last
	abortLimit = time.Second // for an abort, which the cluster does by itself otherwise
	askPause   = 20 * time.Millisecond
	mostAsked  = 5 // how often a commit or an abort is asked for
)

// errNothing ends a transaction that has nothing to do.
var errNothing = errors.New("there is nothing to do")

// transact carries out a transaction that takes some steps, which body does. If it was refused or aborted, done is false: nothing of
// it has happened, and a pause has been made. The error is errUnknown, or one that ends the workload.
func (s *session) transact(ctx context.Context, kind string, plan []step, body func(context.Context, *transaction) error) (done bool, err error) {
	t := &transaction{s: s, spread: s.random.IntN(4) == 0, txn: txn{ID: s.id(), Steps: plan}}
	value, err := json.Marshal(t.txn)
	if err != nil {
		return false, err
	}
	o := history.Op{Workload: s.label, Client: s.client, Process: s.process, Kind: kind, Value: value}
	recorded, err := s.h.Begin(o)
	if err != nil {
		return false, err
	}
	call, cancel := graceful(ctx, s.grace)
	defer cancel()
	t.Steps = nil
	why := t.perform(call, body)
	if why == nil {
		t.Sent = s.h.Now()
	}
	if err := t.amend(recorded); err != nil {
		return false, err
	}
	unknown := false
	if why == nil {
		unknown, why = t.commit(call)
	}
	if why != nil && !unknown {
		t.abort(ctx)
	}
	return s.settled(ctx, recorded, o, unknown, why)
}

// settled records how a transaction ended.
func (s *session) settled(ctx context.Context, recorded *history.Call, o history.Op, unknown bool, err error) (bool, error) {
	switch {
	case err == nil:
		recorded.End(history.OK, nil, nil)
		s.refused = 0
		return true, nil
	case errors.Is(err, errNothing):
		recorded.End(history.Fail, nil, err)
		return false, nil
	}
	s.turn++ // another coordinator may know better
	switch {
	case unknown && o.Write():
		recorded.End(history.Info, nil, err)
		return false, fmt.Errorf("%w: %w", errUnknown, err)
	case unknown || passing(err):
		recorded.End(history.Fail, nil, err)
		s.pause(ctx)
		return false, nil
	}
	recorded.End(history.Fail, nil, err)
	return false, fmt.Errorf("%s: %w", o.Kind, err)
}

// passing says whether an error of a transaction is one that others' transactions or faults of the cluster make.
func passing(err error) bool {
	var answer *client.Error
	for _, refused := range []error{client.ErrUnavailable, client.ErrConflict, client.ErrExists, client.ErrReadOnly, client.ErrNoSpace, client.ErrLockTimeout} {
		if errors.Is(err, refused) {
			return true
		}
	}
	for _, number := range []int{lockTimeout, busy, deadlock, transactionEnded, transactionAborted, transactionMissing} {
		if answeredWith(err, number) {
			return true
		}
	}
	return errors.As(err, &answer) && answer.Status >= http.StatusInternalServerError
}

// Numbers of errors that transactions have.
const (
	lockTimeout        = 18
	busy               = 28
	deadlock           = 29
	transactionEnded   = 1653
	transactionAborted = 1654
	transactionMissing = 1655
)

// look reads documents and changes nothing.
func (s *session) look(ctx context.Context, keys ...string) error {
	var plan []step
	for _, key := range keys {
		plan = append(plan, step{Do: reading, Key: key})
	}
	_, err := s.transact(ctx, history.Read, plan, func(ctx context.Context, t *transaction) error {
		for _, key := range keys {
			if _, err := t.read(ctx, key); err != nil {
				return err
			}
		}
		return nil
	})
	return err
}

// perform begins the transaction and does what is asked for in it.
func (t *transaction) perform(ctx context.Context, body func(context.Context, *transaction) error) (err error) {
	o := client.TransactionOptions{LockTimeout: lockWait, WaitForSync: t.s.spec.WaitForSync}
	for i := range t.s.members {
		o.Write = append(o.Write, memberName(t.s.collection, i+1))
	}
	if t.trx, err = t.s.db().Begin(ctx, o); err != nil {
		return err
	}
	return body(ctx, t)
}

// abort ends a transaction that was not committed, at whichever coordinator answers, first that which began it. If none does the cluster
// ends it by itself, and later.
func (t *transaction) abort(ctx context.Context) {
	if t.trx == nil {
		return
	}
	for n := range mostAsked {
		trx := t.trx
		if n%2 == 1 {
			trx = trx.At(t.s.clients[n/2%len(t.s.clients)])
		}
		short, cancel := context.WithTimeout(context.WithoutCancel(ctx), abortLimit)
		err := trx.Abort(short)
		cancel()
		if err == nil || answeredWith(err, transactionAborted) || answeredWith(err, transactionEnded) || wait.For(ctx, askPause<<n) != nil {
			return
		}
	}
}

// commit commits, and asks again if the outcome is unknown, or if it was refused for now.
func (t *transaction) commit(ctx context.Context) (unknown bool, err error) {
	for n := 1; ; n++ {
		err = t.at().Commit(ctx)
		switch {
		case err == nil:
			return false, nil
		case errors.Is(err, client.ErrUnknownOutcome):
			unknown = true
		case answeredWith(err, transactionAborted), answeredWith(err, transactionEnded):
			return false, err
		case !unknown && !errors.Is(err, client.ErrUnavailable):
			return false, err // it was refused, and no commit was sent before
		}
		if n == mostAsked || wait.For(ctx, askPause<<n) != nil {
			return unknown, err
		}
		t.spread = true // another coordinator may know
	}
}
