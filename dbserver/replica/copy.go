package replica

import (
	"context"
	"errors"
	"fmt"
	"time"

	dbclient "stasis/dbserver/client"
	"stasis/dbserver/shard"
)

// copier brings a follower one copy of all documents, in place of what it has. Writes go on
// meanwhile.
type copier struct {
	*base
	follower follower
	number   uint64 // of the copy in this tenure; a follower refuses parts of earlier ones
}

// bring copies, and returns the last record that the copy has, and for people how much that was.
// Also when it fails, pin keeps the log after the copy: the follower needs it next, or the next
// copy takes the pin over.
func (c *copier) bring(ctx context.Context, pin **shard.Pin) (end uint64, what string, err error) {
	began := time.Now()
	from, err := c.shard.NewCopy()
	if err != nil {
		return 0, "", err
	}
	defer func() { err = errors.Join(err, from.Close()) }()
	st := from.State()
	c.shard.Unpin(*pin)
	*pin = c.shard.Pin(st.Last.Seq + 1)
	c.log.Info("copying to follower", "server", c.follower.id, "documents", st.Count)
	req := dbclient.CopyRequest{Tenure: tenureOf(c.tenure), Copy: c.number}
	begin := req
	begin.Begin = true
	a, err := c.send(ctx, begin)
	if err != nil {
		return 0, "", err
	}
	req.Session = a.Session
	size, err := c.sendParts(ctx, from, req)
	if err != nil {
		return 0, "", err
	}
	what = fmt.Sprintf("%d documents, %.1f MB in %s", st.Count, float64(size)/1e6, time.Since(began).Round(time.Millisecond))
	return st.Last.Seq, what, nil
}

// sendParts sends all documents, and then their number and checksum.
func (c *copier) sendParts(ctx context.Context, from *shard.Copy, req dbclient.CopyRequest) (size int, err error) {
	for {
		entries, err := from.Next(c.batch)
		if err != nil {
			return 0, err
		}
		req.Entries = encodeEntries(entries)
		if size += len(req.Entries); len(entries) == 0 {
			whole := from.End()
			end := stateOf(whole.State)
			req.End, req.Sum = &end, whole.Sum
		}
		if _, err := c.send(ctx, req); err != nil || req.End != nil {
			return size, err
		}
	}
}

func (c *copier) send(ctx context.Context, r dbclient.CopyRequest) (dbclient.ReplicaAnswer, error) {
	ctx, cancel := context.WithTimeout(ctx, 4*c.server.Timing.Call) // the follower may have to wait for its disk
	defer cancel()
	c.follower.asks()
	t, err := c.target(c.server.Cache.Snapshot().Root, c.follower.id)
	if err != nil {
		return dbclient.ReplicaAnswer{}, err
	}
	a, err := c.server.Peers.Copy(ctx, t, c.shard.Name(), r)
	switch {
	case err != nil:
		return dbclient.ReplicaAnswer{}, err
	case a.Refused == dbclient.RefusedOld:
		return dbclient.ReplicaAnswer{}, fmt.Errorf("%s: %w", a.Why, shard.ErrOldTenure)
	case a.Refused != "":
		return dbclient.ReplicaAnswer{}, errors.New(a.Why)
	}
	c.follower.answered(a)
	return a, nil
}
