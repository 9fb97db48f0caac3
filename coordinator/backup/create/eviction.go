package create

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"stasis/client/certificate"
	"stasis/coordinator/backup/fanout"
	dbclient "stasis/dbserver/client"
	"stasis/event"
	"stasis/internal/wait"
)

// evictEvery is the pause between two rounds of an eviction. The first round may come before the requests for the gates: what is
// opened after it is aborted by the next one.
const evictEvery = 100 * time.Millisecond

// eviction aborts the transactions that are open at any gate, for as long as an attempt waits for the gates. Only a backup with
// force has one, after its timeout, and only in lock mode transactions: in the others the gates do not wait for open transactions.
type eviction struct {
	g       *globalLock
	over    chan struct{} // closed: no more rounds
	once    sync.Once
	rounds  sync.WaitGroup
	aborted map[string]certificate.AbortedTransaction // by id
	unknown map[string]bool                           // servers whose answer to a round was lost
}

// evict begins to abort. It returns nil if there is nothing to do.
func (g *globalLock) evict(ctx context.Context) *eviction {
	if !g.forced || g.report.LockMode != certificate.LockModeTransactions {
		return nil
	}
	e := &eviction{g: g, over: make(chan struct{}), aborted: map[string]certificate.AbortedTransaction{}, unknown: map[string]bool{}}
	e.rounds.Go(func() {
		for {
			e.round(ctx)
			select {
			case <-e.over:
				return
			default:
			}
			if wait.For(ctx, evictEvery) != nil {
				return
			}
		}
	})
	return e
}

// stop begins no more rounds. One that goes on is not waited for: the gates are held now.
func (e *eviction) stop() {
	if e != nil {
		e.once.Do(func() { close(e.over) })
	}
}

// into waits for the last round, and adds to an attempt what was aborted.
func (e *eviction) into(a *certificate.Attempt) {
	if e == nil {
		return
	}
	e.stop()
	e.rounds.Wait()
	for _, id := range slices.Sorted(maps.Keys(e.aborted)) {
		a.Aborted = append(a.Aborted, e.aborted[id])
	}
	a.AbortsUnknown = slices.Sorted(maps.Keys(e.unknown))
}

// round asks all servers once.
func (e *eviction) round(ctx context.Context) {
	request := dbclient.TxnAbortRequest{Backup: e.g.op.ID, Nonce: e.g.op.Nonce}
	answers := fanout.Ask(ctx, e.g.members, e.g.timeouts.Answer, nil, func(ctx context.Context, m fanout.Member) (dbclient.TxnAbortResponse, error) {
		return e.g.servers.AbortOpen(ctx, m.Target, request)
	})
	for _, answer := range answers {
		if answer.Err != nil {
			e.unknown[answer.ID] = true
			e.g.op.Log.Info("whether open transactions were aborted is unknown", "error", answer.Err)
			continue
		}
		for _, t := range answer.Value.Aborted {
			e.add(ctx, answer.ID, t)
		}
	}
}

func (e *eviction) add(ctx context.Context, server string, t dbclient.TxnAborted) {
	id := t.ID.String()
	one, known := e.aborted[id]
	if !known {
		one = certificate.AbortedTransaction{ID: id, Coordinator: t.Coordinator}
	}
	one.AgeSeconds = max(one.AgeSeconds, t.Age)
	one.Servers = append(one.Servers, server)
	e.aborted[id] = one
	e.g.op.Emit(ctx, event.Event{Step: event.TransactionAborted, Server: server, Elapsed: time.Duration(t.Age * float64(time.Second)),
		Detail: fmt.Sprintf("transaction %s of coordinator %s", id, t.Coordinator)})
}
