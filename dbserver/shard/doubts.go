package shard

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	dbclient "stasis/dbserver/client"
	"stasis/dbserver/locks"
	"stasis/internal/apierror"
	"stasis/internal/failpoint"
)

// readWait bounds how long a reader waits for transactions that are prepared.
const readWait = 10 * time.Second

// doubts are the transactions that are prepared on a shard and not resolved, as the leader of the shard knows them. Readers
// wait for what is prepared: another shard may show already what this one does not. A shard on which nothing is prepared
// costs a reader one look at a counter.
type doubts struct {
	shard string
	locks *locks.Shard
	table *locks.Table
	n     atomic.Int64 // of all

	mu   sync.Mutex // held for memory only. Changes come with the shard's mu held
	all  map[TxnID]*doubt
	keys map[string]*doubt // the last one that writes a key
	sole *doubt            // the last one that writes all keys
}

// doubt is a transaction that is prepared.
type doubt struct {
	id    TxnID
	home  dbclient.TxnShard
	keys  []string // of documents that it writes
	whole bool     // it removes all documents
	heir  *locks.Owner

	resolved uint64 // the record that resolves it; 0: there is none yet
	commit   bool   // what that says

	over chan struct{} // closed when it is resolved and that is applied, or the leadership ends
	why  error         // the leadership has ended
}

// newDoubt makes the doubt of a stored value.
func newDoubt(id TxnID, value []byte) (*doubt, error) {
	p, err := decodePrepared(value)
	if err != nil {
		return nil, fmt.Errorf("transaction %s: %w", id, err)
	}
	return doubtOf(id, p), nil
}

func doubtOf(id TxnID, p prepared) *doubt {
	d := &doubt{id: id, home: p.home, over: make(chan struct{})}
	for _, c := range p.changes {
		if c.Kind == Truncate {
			d.whole = true
		} else {
			d.keys = append(d.keys, c.Key)
		}
	}
	return d
}

// resolve notes the record that resolves it.
func (d *doubt) resolve(seq uint64, c Change) { d.resolved, d.commit = seq, committed(c) }

// committed says what a Resolved change says.
func committed(c Change) bool { return len(c.Value) == 1 && c.Value[0] == 1 }

// add makes readers wait for a transaction.
func (ds *doubts) add(d *doubt) {
	ds.mu.Lock()
	defer ds.mu.Unlock()
	if ds.all == nil {
		ds.all, ds.keys = map[TxnID]*doubt{}, map[string]*doubt{}
	}
	ds.all[d.id] = d
	for _, key := range d.keys {
		ds.keys[key] = d
	}
	if d.whole {
		ds.sole = d
	}
	ds.n.Store(int64(len(ds.all)))
}

// inherit begins a leadership: locks are those of what is prepared, and no others. Those that a record of the tail
// resolves need none.
func (ds *doubts) inherit(inherited []*doubt) error {
	var heirs []locks.Heir
	for _, d := range inherited {
		if d.resolved == 0 && !failpoint.Off("locks-are-inherited") {
			d.heir = locks.Transaction(d.id.String(), "", time.Time{})
			heirs = append(heirs, locks.Heir{Owner: d.heir, Keys: d.keys, Whole: d.whole})
		}
	}
	if err := ds.locks.Bequeath(notLeader(ds.shard), heirs); err != nil {
		return err
	}
	for _, d := range inherited {
		ds.add(d)
	}
	return nil
}

// settle lets those go on that wait for a transaction: it is resolved, and that is applied.
func (ds *doubts) settle(key string) {
	id, err := txnOf(key)
	if err != nil { // check lets no such record through
		return
	}
	ds.mu.Lock()
	defer ds.mu.Unlock()
	if d := ds.all[id]; d != nil {
		ds.drop(d, nil)
	}
}

// drop ends a doubt. mu is held.
func (ds *doubts) drop(d *doubt, why error) {
	delete(ds.all, d.id)
	for _, key := range d.keys {
		if ds.keys[key] == d {
			delete(ds.keys, key)
		}
	}
	if ds.sole == d {
		ds.sole = nil
	}
	ds.n.Store(int64(len(ds.all)))
	if d.heir != nil {
		ds.table.Release(d.heir)
	}
	d.why = why
	close(d.over)
}

// end ends all: the replica leads no more.
func (ds *doubts) end() {
	ds.mu.Lock()
	defer ds.mu.Unlock()
	for _, d := range ds.all {
		ds.drop(d, notLeader(ds.shard))
	}
}

// get is a transaction that is prepared; nil if it is not.
func (ds *doubts) get(id TxnID) *doubt {
	ds.mu.Lock()
	defer ds.mu.Unlock()
	return ds.all[id]
}

// list has all.
func (ds *doubts) list() []*doubt {
	ds.mu.Lock()
	defer ds.mu.Unlock()
	all := make([]*doubt, 0, len(ds.all))
	for _, d := range ds.all {
		all = append(all, d)
	}
	return all
}

// await returns when nothing is prepared any more that writes a key; apierror.LockTimeout if that takes too long.
func (ds *doubts) await(ctx context.Context, key string) error {
	if ds.n.Load() == 0 || failpoint.Off("readers-wait-for-prepared") {
		return nil
	}
	return ds.waitKey(ctx, key)
}

func (ds *doubts) waitKey(ctx context.Context, key string) error {
	w := newReadWait(ds.shard)
	defer w.end()
	for {
		ds.mu.Lock()
		on := ds.keys[key]
		if ds.sole != nil {
			on = ds.sole
		}
		ds.mu.Unlock()
		if on == nil {
			return nil
		}
		if err := w.await(ctx, on); err != nil {
			return err
		}
	}
}

// awaitAll returns when all transactions are resolved that are prepared now. Errors are those of await.
func (ds *doubts) awaitAll(ctx context.Context) error {
	if ds.n.Load() == 0 || failpoint.Off("readers-wait-for-all-prepared") {
		return nil
	}
	w := newReadWait(ds.shard)
	defer w.end()
	for _, d := range ds.list() {
		if err := w.await(ctx, d); err != nil {
			return err
		}
	}
	return nil
}

// reading is one reader that waits.
type reading struct {
	shard string
	timer *time.Timer
}

func newReadWait(shard string) reading { return reading{shard: shard, timer: time.NewTimer(readWait)} }

func (w reading) end() { w.timer.Stop() }

// await waits for one transaction.
func (w reading) await(ctx context.Context, d *doubt) error {
	select {
	case <-d.over:
		return d.why
	case <-ctx.Done():
		return fmt.Errorf("wait for transaction %s, which is prepared on shard %s: %w", d.id, w.shard, context.Cause(ctx))
	case <-w.timer.C:
		return apierror.New(apierror.LockTimeout, "timeout: transaction %s is prepared on shard %s, and whether it is committed has not been known there for %s: its home is shard %s",
			d.id, w.shard, readWait, d.home.Shard)
	}
}
