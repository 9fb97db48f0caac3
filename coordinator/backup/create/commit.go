package create

import (
	"cmp"
	"context"
	"errors"
	"time"

	agencyclient "stasis/agency/client"
	"stasis/agency/keys"
	"stasis/coordinator/backup/fanout"
	"stasis/coordinator/backup/lock"
	"stasis/event"
	"stasis/internal/apierror"
	"stasis/internal/failpoint"
)

// thaw ends the freeze of Plan and keeps the lock. The freeze shows that Plan is the same at the
// lock's index and at the instant, and the instant is over once the gates were asked to open.
// The links that follow may take long, and a change of Plan does not disturb them.
func (c *creation) thaw(ctx context.Context) error {
	c.thawAsked = time.Now()
	if err := c.lock.Thaw(ctx, event.Linking); err != nil {
		return err
	}
	c.op.Emit(ctx, event.Event{Step: event.Thawed, Elapsed: time.Since(c.op.Began)})
	return nil
}

// commit is step 9, the commit point: one transaction that records the backup and deletes
// the lock. It requires that the lock is still ours, and, since Plan has thawed, that every
// server that has a piece is still a member.
func (c *creation) commit(ctx context.Context) error {
	c.op.Emit(ctx, event.Event{Step: event.Committing})
	if ctx.Err() != nil { // the last moment at which the client can cancel
		return context.Cause(ctx)
	}
	tx := agencyclient.Tx{
		Ops: map[string]any{
			keys.HotBackupCommit(c.op.ID): agencyclient.Set(keys.Commit{
				ID: c.op.ID, Nonce: c.op.Nonce, DateTime: c.moment.DateTime(), Servers: fanout.IDs(c.cluster.Members),
				PotentiallyInconsistent: c.marked, CertificateSHA256: c.sealed.certificateSHA256,
			}),
			keys.HotBackupCreate: agencyclient.Delete(),
			keys.HotBackupHolder: agencyclient.Delete(),
		},
		Pre: c.lock.Precondition(),
	}
	for _, m := range c.cluster.Members {
		tx.Pre[keys.PlanDBServers+"/"+m.ID] = agencyclient.OldEmpty(false)
	}
	if failpoint.Off("create-requires-lock") {
		tx.Pre = nil
	}
	err := c.lock.Commit(ctx, tx, func(root *agencyclient.Node) bool {
		return root.At(keys.HotBackupCommit(c.op.ID)).At("nonce").Text() == c.op.Nonce
	})
	if errors.Is(err, lock.ErrLost) {
		return cmp.Or(c.departed(ctx), err)
	}
	if err != nil {
		return err
	}
	c.op.Emit(ctx, event.Event{Step: event.Committed})
	return nil
}

// departed returns an error that names the servers that have left the cluster since the backup
// began; nil if none has, or if the agency does not answer.
func (c *creation) departed(ctx context.Context) error {
	gone, err := c.by.Clusters.Departed(ctx, c.cluster.Members)
	if err != nil {
		c.op.Log.Debug("cannot read whether a DB server was removed", "error", err)
		return nil
	}
	if len(gone) == 0 {
		return nil
	}
	return apierror.New(apierror.BackupCreate, "%s was removed from the cluster while the backup was made: make another backup", c.cluster.Named(gone))
}

// publish is step 10. It cannot fail, and it does not end when the client leaves: a server that
// does not publish now asks the agency later and publishes then.
func (c *creation) publish(ctx context.Context) {
	ctx, cancel := c.by.Life.AfterCommit(ctx, c.by.Timeouts.Stall)
	defer cancel()
	c.behind = c.pending.publish(ctx)
}
