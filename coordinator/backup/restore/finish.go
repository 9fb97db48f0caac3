package restore

import (
	"context"
	"fmt"
	"maps"
	"sync"

	agencyclient "stasis/agency/client"
	"stasis/agency/keys"
	"stasis/coordinator/backup/operation"
	"stasis/coordinator/backup/topology"
	"stasis/event"
	"stasis/internal/apierror"
	"stasis/internal/failpoint"
	"stasis/internal/wait"
)

// commit is the commit point: Plan, Current and the epoch change in one transaction. It requires
// that the lock is still ours, and that no other restore was committed meanwhile.
func (r *restoration) commit(ctx context.Context) error {
	r.op.Emit(ctx, event.Event{Step: event.PlanSwitching})
	if ctx.Err() != nil { // the last moment at which the client can cancel
		return context.Cause(ctx)
	}
	tx := transaction(r.plan, r.reports, r.cluster, r.record)
	if !failpoint.Off("restore-requires-lock") {
		maps.Copy(tx.Pre, r.lock.Precondition())
	}
	err := r.lock.Commit(ctx, tx, func(root *agencyclient.Node) bool {
		return root.At(keys.HotBackupRestore).At("nonce").Text() == r.op.Nonce
	})
	if err != nil {
		return err
	}
	r.op.Emit(ctx, event.Event{Step: event.PlanSwitched})
	return nil
}

// finish waits until all servers serve the restored state, and releases the lock. It undoes
// nothing: a server that is slow or down swaps its engine later.
func (r *restoration) finish(ctx context.Context) error {
	ctx, cancel := r.by.Life.AfterCommit(ctx, r.by.Timeouts.Converge)
	defer cancel()
	r.op.Emit(ctx, event.Event{Step: event.Converging})
	snapshot, err := r.by.Cache.Wait(ctx, func(s agencyclient.Snapshot) bool {
		return len(topology.Lagging(s.Root, r.record.Epoch)) == 0 && len(topology.Leaderless(s.Root)) == 0
	})
	if err != nil {
		return r.incomplete(ctx, err)
	}
	r.release(ctx)
	r.awaitPeers(ctx, snapshot.Root)
	// Plan is not frozen any more, so other servers can lead the shards of leaders that have FAILED.
	// If only the failed leader has every write of a shard, that shard is not restored.
	succession, cancel := context.WithTimeout(ctx, r.by.Timeouts.Succession)
	defer cancel()
	if _, err := r.by.Cache.Wait(succession, func(s agencyclient.Snapshot) bool { return len(topology.Unled(s.Root)) == 0 }); err != nil {
		return r.incomplete(ctx, err)
	}
	r.op.Emit(ctx, event.Event{Step: event.Restored})
	return nil
}

func (r *restoration) release(ctx context.Context) {
	if err := operation.Retry(ctx, r.lock.Release); err != nil {
		r.op.Log.Warn("agency lock not released; it ends when its lease does", "error", err)
	}
}

// awaitPeers waits until the other coordinators in Plan have seen the epoch, so that a client that
// turns to another one sees the restored state. It does not wait for one that does not answer:
// that one sees the epoch before it serves data.
func (r *restoration) awaitPeers(ctx context.Context, root *agencyclient.Node) {
	if r.by.Peers == nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, r.by.Timeouts.Peers)
	defer cancel()
	var group sync.WaitGroup
	for id := range root.At(keys.PlanCoordinators).Children() {
		url, err := topology.URL(root, id)
		if id == r.by.Coordinator || err != nil {
			continue
		}
		group.Go(func() {
			if err := r.awaitPeer(ctx, url); err != nil {
				r.by.Log.Info("not waiting for coordinator", "id", id, "error", err)
			}
		})
	}
	group.Wait()
}

func (r *restoration) awaitPeer(ctx context.Context, url string) error {
	for {
		seen, err := r.by.Peers.Epoch(ctx, url)
		if err != nil || seen >= r.record.Epoch {
			return err
		}
		if err := wait.For(ctx, operation.RetryPause); err != nil {
			return err
		}
	}
}

// incomplete returns the error of a restore that is committed and waits for servers. It releases
// the lock even if ctx has ended: failovers must be possible, and a server that still has the old
// epoch cannot take part in anything.
func (r *restoration) incomplete(ctx context.Context, err error) error {
	free, cancel := context.WithTimeout(context.WithoutCancel(ctx), r.by.Timeouts.Call)
	defer cancel()
	r.release(free)
	root := r.by.Cache.Snapshot().Root
	waiting := append(topology.Lagging(root, r.record.Epoch), topology.Unled(root)...)
	const shown = 5
	if n := len(waiting); n > shown {
		waiting = append(waiting[:shown], fmt.Sprintf("and %d more", n-shown))
	}
	e := apierror.New(apierror.BackupRestore, "the restore of %s was committed and completes by itself (failsafe backup %s), but is not complete yet: %v: %w",
		r.op.ID, r.record.Previous, waiting, err)
	e.Extra = map[string]any{apierror.Outcome: apierror.OutcomeCommitted}
	return e
}
