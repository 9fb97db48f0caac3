package transaction

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	dbclient "stasis/dbserver/client"
	"stasis/dbserver/store"
	"stasis/internal/apierror"
	"stasis/internal/failpoint"
)

// manyAsked bounds the homes that are asked at once.
const manyAsked = 16

// doubt is a transaction that is prepared on a shard here.
type doubt struct {
	shard string
	id    dbclient.TxnID
	home  dbclient.TxnShard
}

// doubts has the shards that are prepared ask their homes. It belongs to one goroutine.
type doubts struct {
	l     *Ledger
	since map[doubt]time.Time // when each was first seen
	homes map[dbclient.TxnShard]retry
}

// retry says when a home that has not answered is asked again.
type retry struct {
	at    time.Time
	pause time.Duration
}

func newDoubts(l *Ledger) *doubts {
	return &doubts{l: l, since: map[doubt]time.Time{}, homes: map[dbclient.TxnShard]retry{}}
}

// look asks the homes of all that has been prepared for long, and resolves what they know.
func (d *doubts) look(ctx context.Context, s *store.Store) {
	due := d.due(s)
	var asking sync.WaitGroup
	var mu sync.Mutex
	slots := make(chan struct{}, manyAsked)
	for home, of := range due {
		slots <- struct{}{}
		asking.Go(func() {
			defer func() { <-slots }()
			err := d.askHome(ctx, s, of)
			mu.Lock()
			defer mu.Unlock()
			if err == nil {
				delete(d.homes, home)
				return
			}
			if ctx.Err() == nil {
				d.l.Logger.Warn("prepared transactions wait for their home", "home", home.Shard, "transactions", len(of), "error", err)
			}
			pause := min(max(2*d.homes[home].pause, d.l.Timing.Look), d.l.Timing.Retry)
			d.homes[home] = retry{at: time.Now().Add(pause), pause: pause}
		})
	}
	asking.Wait()
}

// due are the doubts that are old enough, by their home. What is not prepared any more is forgotten.
func (d *doubts) due(s *store.Store) map[dbclient.TxnShard][]doubt {
	now, due := time.Now(), map[dbclient.TxnShard][]doubt{}
	since, waiting := map[doubt]time.Time{}, map[dbclient.TxnShard]bool{}
	for _, x := range d.prepared(s) {
		waiting[x.home] = true
		begun, seen := d.since[x]
		if !seen {
			begun = now
		}
		since[x] = begun
		old := now.Sub(begun) >= d.l.Timing.Doubt || d.l.inherited.has(x.shard, x.id)
		if old && !now.Before(d.homes[x.home].at) && !failpoint.Off("in-doubt-asks") {
			due[x.home] = append(due[x.home], x)
		}
	}
	d.since = since
	for home := range d.homes {
		if !waiting[home] {
			delete(d.homes, home)
		}
	}
	d.l.doubtful.Store(int64(len(since)))
	return due
}

// prepared are the transactions that are prepared on the shards that this server leads.
func (d *doubts) prepared(s *store.Store) (all []doubt) {
	for _, on := range s.Leading() {
		found, err := on.Shard.Transactions().Prepared()
		if err != nil {
			continue // it does not lead any more: who does has them
		}
		for _, tx := range found {
			all = append(all, doubt{shard: on.Shard.Name(), id: tx.ID, home: tx.Home})
		}
	}
	return all
}

// askHome asks one home for the transactions that it decides, one after the other. A home that does not answer is not asked for the
// others now; any other error is that of one transaction.
func (d *doubts) askHome(ctx context.Context, s *store.Store, of []doubt) error {
	var errs []error
	for _, x := range of {
		commit, err := d.l.homes.outcome(ctx, s, x.home, x.id)
		if err == nil {
			d.l.Logger.Info("a transaction that was in doubt is resolved", "transaction", x.id, "shard", x.shard, "home", x.home.Shard, "commit", commit)
			err = d.l.resolve(s, x.shard, x.id, commit)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("transaction %s: %w", x.id, err))
		}
		if errors.Is(err, apierror.ConnectionLost) || ctx.Err() != nil {
			break
		}
	}
	return errors.Join(errs...)
}
