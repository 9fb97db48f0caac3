package shard

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	dbclient "stasis/dbserver/client"
	"stasis/dbserver/engine"
	"stasis/internal/apierror"
	"stasis/internal/failpoint"
)

// Prepare makes what the part has written durable: it returns when it is on the disks of all in-sync replicas. From
// when it has a number, readers of what it writes wait until it is resolved. After it the part is used no more;
// [Transactions.Resolve] ends what it has left. An error that is apierror.ConnectionLost means that the outcome is
// unknown: it may be prepared. After any other error nothing was done, and the part is what it was unless the
// error is ErrPartGone.
func (p *Part) Prepare(ctx context.Context, home dbclient.TxnShard) error {
	if err := checkShard(home); err != nil {
		return err
	}
	if err := p.writable(); err != nil {
		return err
	}
	changes, added := p.changes()
	w := prepared{home: home, added: added, changes: changes}
	value := w.encode()
	seq, err := p.append(write{changes: []Change{{Kind: Prepare, Key: keyOfTxn(p.id), Value: value}}, doubt: doubtOf(p.id, w)})
	if err != nil {
		return err
	}
	p.over("the transaction is prepared")
	return p.await(ctx, seq, !failpoint.Off("prepare-on-disk"))
}

// Decide commits the transaction: in one record it applies what the part has written, and notes that the
// transaction is committed. It returns when both are applied, and with sync, or if there are others, when they are on the
// disks of all in-sync replicas. After it the part is used no more. Errors are those of Prepare.
func (p *Part) Decide(ctx context.Context, others []dbclient.TxnShard, sync bool) error {
	if err := checkOthers(others); err != nil {
		return err
	}
	if err := p.writable(); err != nil {
		return err
	}
	changes, added := p.changes()
	changes = append(changes, Change{Kind: Decided, Key: keyOfTxn(p.id), Value: encodeOthers(others)})
	decision := &Decision{ID: p.id, Others: slices.Clone(others), Seen: time.Now()}
	seq, err := p.append(write{changes: changes, added: added, decision: decision})
	if err != nil {
		return err
	}
	p.over("the transaction is decided")
	return p.await(ctx, seq, sync || len(others) > 0 && !failpoint.Off("decision-on-disk"))
}

// changes are what the part has written, in the order that a record has, and the number of documents that they add. What the part has both
// made and removed is not there.
func (p *Part) changes() (changes []Change, added int64) {
	if p.emptied {
		changes = append(changes, Change{Kind: Truncate})
	}
	for _, key := range p.sorted() {
		switch w := p.staged[key]; {
		case w.document != nil:
			changes = append(changes, Change{Kind: Put, Key: key, Value: w.document.encode()})
			if !w.existed {
				added++
			}
		case w.existed:
			changes = append(changes, Change{Kind: Delete, Key: key})
			added--
		}
	}
	return changes, added
}

// sorted are the keys that the part has written.
func (p *Part) sorted() []string {
	if p.keys == nil {
		p.keys = slices.Sorted(maps.Keys(p.staged))
	}
	return p.keys
}

// append numbers what ends the part.
func (p *Part) append(w write) (seq uint64, err error) {
	s := p.shard
	if err := s.enter(); err != nil {
		return 0, err
	}
	defer s.content.RUnlock()
	if w.time, err = s.env.Clock.next(); err != nil {
		return 0, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, decided := p.lead.decided[p.id]; decided || s.doubts.get(p.id) != nil {
		return 0, apierror.New(apierror.BadParameter, "transaction %s is prepared or decided on shard %s already", p.id, s.name)
	}
	seq, err = s.r.append(p.lead, w)
	var known *apierror.Error
	switch {
	case err == nil:
		return seq, nil
	case errors.As(err, &known) && known.Num == apierror.NotLeader:
		return 0, p.lost(err)
	case errors.Is(err, engine.ErrRefused):
		return 0, fmt.Errorf("shard %s: %w", s.name, err)
	}
	p.over("the disk has failed")
	return 0, p.inDoubt(err)
}

// await waits for the record that ends the part.
func (p *Part) await(ctx context.Context, seq uint64, sync bool) error {
	if err := p.lead.quorum.Await(ctx, seq, sync); err != nil {
		return p.inDoubt(err)
	}
	return nil
}

// inDoubt is the error of a record of which it is not known whether it is in the log of all in-sync replicas.
func (p *Part) inDoubt(why error) error {
	return apierror.New(apierror.ConnectionLost, "shard %s: what became of transaction %s there is unknown: %w", p.shard.name, p.id, why)
}
