package replica

import (
	"context"
	"errors"
	"fmt"
	"time"

	dbclient "stasis/dbserver/client"
	"stasis/dbserver/shard"
	"stasis/internal/failpoint"
)

// bringCopy brings the follower all documents, to take the place of what it has.
func (f *feed) bringCopy(ctx context.Context, at *line) (err error) {
	l, began := f.leader, time.Now()
	l.mu.Lock()
	counts := f.required // in sync, or about to be: a report that says so may stand in Current and not be known here
	l.copies++
	req := dbclient.CopyRequest{Tenure: tenureOf(l.tenure), Copy: l.copies}
	l.mu.Unlock()
	if counts && !failpoint.Off("copy-not-to-member") { // it may be chosen for what it has
		f.wait(ctx, l.server.Timing.Linger)
		return ctx.Err()
	}
	c, err := l.shard.NewCopy()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	l.shard.Unpin(at.pin)
	at.pin = l.shard.Pin(c.State().Last.Seq + 1)
	l.log.Info("copying to follower", "server", f.id, "documents", c.State().Count)
	begin := req
	begin.Begin = true
	a, err := f.sendCopy(ctx, begin)
	if err != nil {
		return err
	}
	req.Session = a.Session
	size, err := f.sendParts(ctx, c, req)
	if err != nil {
		return err
	}
	at.next = c.State().Last.Seq + 1
	f.needsCopy(at, false)
	l.emit(FollowerCopied, f.id, fmt.Sprintf("%d documents, %.1f MB in %s", c.State().Count, float64(size)/1e6, time.Since(began).Round(time.Millisecond)))
	return nil
}

// sendParts sends all documents, and then what they amount to.
func (f *feed) sendParts(ctx context.Context, c *shard.Copy, req dbclient.CopyRequest) (size int, err error) {
	for {
		entries, err := c.Next(f.leader.batch)
		if err != nil {
			return 0, err
		}
		req.Entries = encodeEntries(entries)
		if size += len(req.Entries); len(entries) == 0 {
			whole := c.End()
			end := StateOf(whole.State)
			req.End, req.Sum = &end, whole.Sum
		}
		if _, err := f.sendCopy(ctx, req); err != nil || req.End != nil {
			return size, err
		}
	}
}

func (f *feed) sendCopy(ctx context.Context, r dbclient.CopyRequest) (dbclient.ReplicaAnswer, error) {
	l := f.leader
	ctx, cancel := context.WithTimeout(ctx, 4*l.server.Timing.Call) // it may have to wait for its disk
	defer cancel()
	f.asks()
	t, err := l.target(l.server.Cache.Snapshot().Root, f.id)
	if err != nil {
		return dbclient.ReplicaAnswer{}, err
	}
	a, err := l.server.Peers.Copy(ctx, t, l.shard.Name(), r)
	switch {
	case err != nil:
		return dbclient.ReplicaAnswer{}, err
	case a.Refused == dbclient.RefusedOld:
		return dbclient.ReplicaAnswer{}, fmt.Errorf("%s: %w", a.Why, shard.ErrOldTenure)
	case a.Refused != "":
		return dbclient.ReplicaAnswer{}, errors.New(a.Why)
	}
	f.answered(a)
	return a, nil
}
