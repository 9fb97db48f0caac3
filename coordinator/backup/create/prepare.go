package create

import (
	"context"
	"fmt"
	"strings"
	"time"

	"stasis/coordinator/backup/backupid"
	"stasis/coordinator/backup/certificate"
	"stasis/coordinator/backup/fanout"
	"stasis/coordinator/backup/operation"
	"stasis/coordinator/backup/piece"
	"stasis/coordinator/backup/topology"
	dbserver "stasis/dbserver/client"
	"stasis/internal/apierror"
	"stasis/internal/step"
	"stasis/internal/wait"
)

// readPlan is step 2. Plan is frozen since the lock's index, so it is that of the lock's
// index whenever it is read. It says who takes part.
func (c *creation) readPlan(ctx context.Context) error {
	c.op.Emit(ctx, step.Event{Step: step.PlanDump})
	var err error
	if c.cluster, err = c.by.Clusters.Locked(ctx, c.lock); err != nil {
		return err
	}
	dump, err := c.cluster.Dump()
	if err != nil {
		return err
	}
	if c.sealed.dump, err = dbserver.Encode(dump); err != nil {
		return fmt.Errorf("encode agency dump: %w", err)
	}
	if c.sealed.dumpSHA256, err = certificate.Hash(dump); err != nil {
		return fmt.Errorf("hash agency dump: %w", err)
	}
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
	c.moment = backupid.Now()
	return c.moment.ID(c.request.Label)
}

// makeUnique makes the id unique; under the lock no other can be committed. As long as
// another backup has the id, or a committed one has its second, it takes the next second
// and tells the lock's holder record.
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

// taken asks the records of the agency and every server's pieces. It is also the first
// request to every server: a server that is down is noticed here.
func (c *creation) taken(ctx context.Context) (bool, error) {
	if _, buried := c.cluster.Tombstones[c.op.ID]; buried {
		return true, nil
	}
	for id := range c.cluster.Commits {
		if strings.HasPrefix(id, c.moment.Prefix()) {
			return true, nil
		}
	}
	lists := fanout.Ask(ctx, c.cluster.Members, c.by.Limits.Answer, fanout.AnyError, func(ctx context.Context, m fanout.Member) (dbserver.ListResponse, error) {
		return piece.List(ctx, c.by.Servers, m, dbserver.ListRequest{IDs: []string{c.op.ID}})
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

// needed says what a DB server is needed for that does not answer.
const needed = "all DB servers are needed for a backup"

// prepareAll is step 3. From here on the servers have something of the backup.
func (c *creation) prepareAll(ctx context.Context) error {
	c.op.Undo.Push("pieces", c.abandonPieces)
	return fanout.Unavailable(needed, c.prepareUntil(ctx, c.lockDeadline()))
}

// prepareUntil is prepare, bounded by the end of the lock phase, since Plan is frozen
// meanwhile.
func (c *creation) prepareUntil(ctx context.Context, end time.Time) error {
	ctx, cancel := context.WithDeadlineCause(ctx, end,
		apierror.New(apierror.ClusterTimeout, "the timeout of %v was over before all DB servers were prepared", c.request.Timeout))
	defer cancel()
	return c.prepare(ctx)
}

// prepare has every server begin its pending piece and flush, so that little is left to do
// while the gates are held.
func (c *creation) prepare(ctx context.Context) error {
	c.op.Emit(ctx, step.Event{Step: step.Prepare})
	return fanout.Tell(ctx, c.cluster.Members, 0, func(ctx context.Context, m fanout.Member) error {
		_, err := fanout.WhileItProgresses(ctx, c.by.Limits.Stall, m, func(ctx context.Context) (struct{}, error) {
			return struct{}{}, c.by.Servers.Prepare(ctx, m.Target, c.piece())
		})
		return err
	})
}

// prepareAgain follows a missed cut. The cuts that were made are of no use without it, and
// what made a cut late has to be flushed first. If the lock phase is over, and the backup
// goes on neither by force nor without the lock, there is nothing to flush for.
func (c *creation) prepareAgain(ctx context.Context) error {
	if err := c.dropPieces(ctx); err != nil {
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

// dropPieces removes what was made of the backup, on every server.
func (c *creation) dropPieces(ctx context.Context) error {
	return fanout.AllErrors(fanout.Ask(ctx, c.cluster.Members, c.by.Limits.Answer, nil, fanout.Silently(c.drop)))
}

func (c *creation) drop(ctx context.Context, m fanout.Member) error {
	return c.by.Servers.Drop(ctx, m.Target, c.piece())
}

// abandonPieces is dropPieces for when the backup has failed. It repeats what fails, and
// waits for no server longer than for an answer: a server whose disk hangs cannot drop its
// piece, and removes it by itself when it can.
func (c *creation) abandonPieces(ctx context.Context) error {
	answers := fanout.Ask(ctx, c.cluster.Members, c.by.Limits.Answer, nil, fanout.Silently(func(ctx context.Context, m fanout.Member) error {
		return operation.Retry(ctx, func(ctx context.Context) error { return c.drop(ctx, m) })
	}))
	for _, a := range answers {
		if a.Err != nil {
			c.op.Log.Warn("piece not dropped; its server removes it by itself", "id", c.op.ID, "error", a.Err)
		}
	}
	return nil
}
