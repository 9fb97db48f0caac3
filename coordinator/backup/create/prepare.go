package create

import (
	"context"
	"fmt"
	"strings"
	"time"

	"stasis/client/certificate"
	"stasis/coordinator/backup/backupid"
	"stasis/coordinator/backup/fanout"
	"stasis/coordinator/backup/piece"
	"stasis/coordinator/backup/topology"
	dbclient "stasis/dbserver/client"
	"stasis/event"
	"stasis/internal/apierror"
	"stasis/internal/wait"
)

// readPlan is step 2. Plan is frozen since the lock's index, so whenever it is read it is the
// Plan of that index. Its DB servers take part in the backup.
func (c *creation) readPlan(ctx context.Context) error {
	c.op.Emit(ctx, event.Event{Step: event.PlanDump})
	var err error
	if c.cluster, err = c.by.Clusters.Locked(ctx, c.lock); err != nil {
		return err
	}
	if err := c.by.Signer.Ready(ctx, c.cluster.SigningKeys); err != nil {
		return err
	}
	dump, err := c.cluster.Dump()
	if err != nil {
		return err
	}
	if c.sealed.dump, err = dbclient.Encode(dump); err != nil {
		return fmt.Errorf("encode agency dump: %w", err)
	}
	if c.sealed.dumpSHA256, err = certificate.Hash(dump); err != nil {
		return fmt.Errorf("hash agency dump: %w", err)
	}
	c.pending = &pending{op: c.op, servers: c.by.Servers, members: c.cluster.Members, timeouts: c.by.Timeouts}
	plan, err := topology.ParseDump(dump.Dump)
	if err != nil {
		return err
	}
	if c.shards, err = plan.Shards(); err != nil {
		return err
	}
	return c.makeUnique(ctx)
}

func (c *creation) newID() string {
	c.moment = backupid.Now(c.by.Locks.Wall)
	return c.moment.ID(c.request.Label)
}

// makeUnique makes the id unique. Under the lock no other backup can be committed. While another
// backup has the id, or a committed one has its second, makeUnique takes the next second and
// writes the new id into the holder's record.
func (c *creation) makeUnique(ctx context.Context) error {
	for {
		taken, err := c.taken(ctx)
		if err != nil {
			return err
		}
		if !taken {
			return nil
		}
		if err := wait.For(ctx, c.moment.UntilNext()); err != nil {
			return err
		}
		c.op.ID = c.newID()
		if err := c.lock.Rename(ctx); err != nil {
			return err
		}
	}
}

// taken looks for the id in the agency's records and in every server's pieces. It sends the first
// request to every server, so it finds out if one is down.
func (c *creation) taken(ctx context.Context) (bool, error) {
	if _, buried := c.cluster.Tombstones[c.op.ID]; buried {
		return true, nil
	}
	for id := range c.cluster.Commits {
		if strings.HasPrefix(id, c.moment.Prefix()) {
			return true, nil
		}
	}
	lists := fanout.Ask(ctx, c.cluster.Members, c.by.Timeouts.Answer, fanout.AnyError, func(ctx context.Context, m fanout.Member) (dbclient.ListResponse, error) {
		return piece.List(ctx, c.by.Servers, m, dbclient.ListRequest{IDs: []string{c.op.ID}})
	})
	if err := fanout.FirstError(lists); err != nil {
		return false, fanout.Unavailable(needed, err)
	}
	for _, l := range lists {
		if len(l.Value.Pieces) > 0 {
			return true, nil
		}
	}
	return false, nil
}

// needed is why the error of one DB server ends the backup.
const needed = "all DB servers are needed for a backup"

// prepareAll is step 3. From here on the servers have a piece of the backup.
func (c *creation) prepareAll(ctx context.Context) error {
	c.op.Undo.Push("pieces", c.pending.abandon)
	return fanout.Unavailable(needed, c.prepareUntil(ctx, c.lockDeadline()))
}

// prepareUntil prepares all servers. The end of the lock phase bounds it, because Plan is frozen
// meanwhile.
func (c *creation) prepareUntil(ctx context.Context, end time.Time) error {
	ctx, cancel := context.WithDeadlineCause(ctx, end,
		apierror.New(apierror.ClusterTimeout, "the timeout of %v was over before all DB servers were prepared", c.request.Timeout))
	defer cancel()
	return c.pending.prepare(ctx)
}

// prepareAgain follows a missed cut. The other cuts are useless without it, and what made it late
// must be flushed before the next attempt. If the lock phase is over, and the backup goes on
// neither by force nor without the lock, no attempt follows, and prepareAgain flushes nothing.
func (c *creation) prepareAgain(ctx context.Context) error {
	if err := c.pending.drop(ctx); err != nil {
		return fmt.Errorf("drop the pieces of a missed cut: %w", err)
	}
	end := c.lockDeadline()
	for _, longer := range []bool{c.request.Force, c.request.AllowInconsistent} {
		if longer {
			end = end.Add(c.request.Timeout)
		}
	}
	if time.Until(end) <= 0 {
		return nil
	}
	return c.prepareUntil(ctx, end)
}
