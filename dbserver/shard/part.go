package shard

import (
	"context"
	"errors"
	"fmt"
	"time"

	"stasis/dbserver/locks"
	"stasis/internal/apierror"
	"stasis/internal/failpoint"
)

// ErrPartGone is returned for every use of a part that is void: the leadership that it belonged to has
// ended, or it has been ended, prepared or decided.
var ErrPartGone = errors.New("what the transaction had on this shard is gone")

// maxPartBytes bounds what a part keeps: it becomes one record, which other replicas take in one request.
const maxPartBytes = 128 << 20

// keptBytes is what the part counts for each entry beside its key and document.
const keptBytes = 64

// Part is what a transaction has on one shard that this replica leads: writes that are in no log and no engine
// yet. It belongs to the leadership in which it began: when that ends it is void. Its methods are
// called by one goroutine at a time.
//
// Writes take the locks of their keys at once, for the owner that Begin was given, and keep them: who uses the part
// releases them when the transaction is over. Reads take none, and wait for what is prepared. What was read by
// its key, and then was changed by another, is not written any more: apierror.Conflict.
type Part struct {
	shard  *Shard
	id     TxnID
	owner  *locks.Owner
	limits PartLimits
	lead   *leadership // it belongs to
	gone   error       // why it is void

	whole   bool              // it has the lock of the whole shard, and all before it is committed
	emptied bool              // all documents are removed, before what is staged
	writes  int               // that it has staged; none: there is nothing to commit
	staged  map[string]staged // writes, by key
	keys    []string          // of staged, in order; nil: to be made
	asked   map[string]bool   // keys whose locks were asked for, and are counted
	seen    map[string]uint64 // times of revisions that were read by key, the first of each; 0: there was no document
	kept    int64             // bytes
}

// staged is the outcome of a part's writes of a key.
type staged struct {
	document *document // nil: there is none
	existed  bool      // there was one before, which this removes or replaces
	kept     int64     // bytes
}

// PartLimits bound what a part takes.
type PartLimits struct {
	LockWait time.Duration       // of each wait for a lock; 0: none at all
	Bytes    func(n int64) error // asked before n more bytes are kept; its error is the operation's. nil: no limit but 128 MiB
}

// Begin makes the part of a transaction on a shard that this replica leads now; apierror.NotLeader if it does not. o is
// patient. The part has nothing yet, and needs no End.
func (x Transactions) Begin(id TxnID, o *locks.Owner, limits PartLimits) (*Part, error) {
	s := x.s
	if id == 0 {
		return nil, apierror.New(apierror.BadParameter, "a transaction has no id")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.r.decides(s.r.lead); err != nil {
		return nil, err
	}
	return &Part{shard: s, id: id, owner: o, limits: limits, lead: s.r.lead, staged: map[string]staged{}, asked: map[string]bool{}, seen: map[string]uint64{}}, nil
}

// Wrote says whether the part has anything to commit.
func (p *Part) Wrote() bool { return p.writes > 0 }

// Writes counts what the part has staged. If it rises in a call that fails, the call was not done as asked, and must not be
// repeated.
func (p *Part) Writes() int { return p.writes }

// End discards what an open part has. After Prepare and Decide it does nothing. It releases no locks.
func (p *Part) End() { p.over("it has been ended") }

// over makes the part void.
func (p *Part) over(why string) {
	if p.gone == nil {
		p.gone = p.void(why)
	}
	p.staged, p.keys, p.asked, p.seen = nil, nil, nil, nil
}

func (p *Part) void(why string) error {
	return fmt.Errorf("shard %s: %w: %s", p.shard.name, ErrPartGone, why)
}

// lost makes the part void if an error says that the leadership has ended, and gives the error of the call.
func (p *Part) lost(err error) error {
	var known *apierror.Error
	if errors.As(err, &known) && known.Num == apierror.NotLeader {
		p.over("the leadership in which it began has ended")
		return p.gone
	}
	return err
}

// lives is nil if the part can be used.
func (p *Part) lives() error {
	if p.gone != nil {
		return p.gone
	}
	p.shard.mu.Lock()
	err := p.shard.r.decides(p.lead)
	p.shard.mu.Unlock()
	return p.lost(err)
}

// writable is nil if the part lives, and the shard takes writes.
func (p *Part) writable() error {
	if err := p.lives(); err != nil {
		return err
	}
	if err := p.lead.quorum.Admit(); err != nil {
		return err
	}
	if err := p.shard.env.Engine.Admit(); err != nil {
		return fmt.Errorf("shard %s: %w", p.shard.name, err)
	}
	return nil
}

// grow counts n more bytes, or refuses them.
func (p *Part) grow(n int64) error {
	if n <= 0 {
		return nil
	}
	if p.kept+n > maxPartBytes {
		return apierror.New(apierror.ResourceLimit, "the transaction would have more than %d MiB on shard %s", maxPartBytes>>20, p.shard.name)
	}
	if p.limits.Bytes != nil {
		if err := p.limits.Bytes(n); err != nil {
			return err
		}
	}
	p.kept += n
	return nil
}

// Whole takes the lock of the whole shard, and returns when everything that was numbered before is committed.
func (p *Part) Whole(ctx context.Context) error {
	if err := p.lives(); err != nil || p.whole {
		return err
	}
	s := p.shard
	if err := s.locks.Whole(ctx, p.owner, p.limits.LockWait); err != nil {
		return p.lost(refused(err))
	}
	if err := p.settled(ctx); err != nil {
		return err
	}
	p.whole = true
	return nil
}

// settled waits until everything that has a number is committed.
func (p *Part) settled(ctx context.Context) error {
	s := p.shard
	s.mu.Lock()
	seq, committed, err := s.r.st.meta.seq, s.r.st.meta.committed, s.r.decides(p.lead)
	s.mu.Unlock()
	if err != nil {
		return p.lost(err)
	}
	if seq == committed {
		return nil
	}
	return p.depends(ctx, seq)
}

// depends waits until a record is committed that the part has met. An error leaves the part as it is, unless the leadership has ended.
func (p *Part) depends(ctx context.Context, seq uint64) error {
	if err := p.lead.quorum.Await(ctx, seq, false); err != nil {
		if gone := p.lives(); gone != nil {
			return gone
		}
		return fmt.Errorf("shard %s: wait for record %d: %w", p.shard.name, seq, err)
	}
	return nil
}

// Truncate takes the whole shard, and removes all documents when the transaction commits.
func (p *Part) Truncate(ctx context.Context) error {
	if err := p.writable(); err != nil {
		return err
	}
	if err := p.Whole(ctx); err != nil {
		return err
	}
	for key := range p.seen {
		stored, _, err := p.latest(key)
		if err == nil {
			err = p.unchanged(key, stored)
		}
		if err != nil {
			return err
		}
	}
	p.staged, p.keys, p.emptied = map[string]staged{}, nil, true
	p.writes++
	return nil
}

// latest is the document that the part's next write of a key meets. depends is the record that it comes from, if that may not be
// committed yet. The part has the lock.
func (p *Part) latest(key string) (d *document, depends uint64, err error) {
	if own, found := p.own(key); found {
		return own, 0, nil
	}
	s := p.shard
	if err := s.enter(); err != nil {
		return nil, 0, err
	}
	defer s.content.RUnlock()
	if err := p.lives(); err != nil {
		return nil, 0, err
	}
	return s.latest(key)
}

// own is the document that the part's writes have left under a key; found is false if none is about it.
func (p *Part) own(key string) (d *document, found bool) {
	if w, found := p.staged[key]; found {
		return w.document, true
	}
	return nil, p.emptied
}

// saw remembers a document that was read by its key; nil: there was none.
func (p *Part) saw(key string, d *document) error {
	if _, before := p.seen[key]; before {
		return nil
	}
	if err := p.grow(int64(len(key) + keptBytes)); err != nil {
		return err
	}
	p.seen[key] = timeOf(d)
	return nil
}

// unchanged refuses the write of a document that was read, and is another now: what the transaction knows of it is not true any more.
func (p *Part) unchanged(key string, stored *document) error {
	if _, own := p.own(key); own {
		return nil
	}
	if t, read := p.seen[key]; read && t != timeOf(stored) && !failpoint.Off("lost-update-refused") {
		return apierror.New(apierror.Conflict, "conflict: document %q has changed since the transaction has read it", key)
	}
	return nil
}

func timeOf(d *document) uint64 {
	if d == nil {
		return 0
	}
	return d.time
}
