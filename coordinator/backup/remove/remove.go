// Package remove deletes backups.
//
// One agency transaction is the commit point: it deletes the record and writes a tombstone for the
// piece of every DB server. From then on no command sees the backup. Each server removes its piece
// and then its tombstone, even if the coordinator dies; a server that is down does so before it
// registers again.
package remove

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/hashicorp/go-hclog"

	agencyclient "stasis/agency/client"
	"stasis/agency/keys"
	"stasis/client"
	"stasis/coordinator/backup/fanout"
	"stasis/coordinator/backup/operation"
	"stasis/coordinator/backup/piece"
	"stasis/coordinator/backup/topology"
	dbclient "stasis/dbserver/client"
	"stasis/event"
	"stasis/internal/apierror"
	"stasis/internal/failpoint"
	"stasis/internal/wall"
)

// tries bounds how often a deletion begins again because something changed meanwhile.
const tries = 10

// Agency takes the commit.
type Agency interface {
	Write(ctx context.Context, tx agencyclient.Tx) (uint64, error)
}

// Servers has one DB server remove its piece. A server refuses to remove a piece that has
// no tombstone, with [apierror.BackupConflict].
type Servers interface {
	Delete(ctx context.Context, t dbclient.Target, r dbclient.PieceRequest) error
}

// Remover deletes backups. Any goroutine may use it.
type Remover struct {
	Life        *operation.Life
	Agency      Agency
	Clusters    *topology.Reader
	Servers     Servers
	Coordinator string        // server id
	Call        time.Duration // bounds one call to the agency
	Answer      time.Duration // bounds a DB server's answer to a question
	Removal     time.Duration // bounds the wait for pieces to be removed
	Steps       event.Sink
	Log         hclog.Logger
	Wall        wall.Clock // for what is written down as a time
}

// Result is the answer to a delete.
type Result = client.DeleteResult

// Delete deletes a backup. [apierror.NotFound]: it does not exist. [apierror.BackupConflict]: a create
// or restore of it is running, or records and servers kept changing.
// [apierror.ServiceUnavailable]: it is unknown whether it exists, because servers do not answer.
func (d *Remover) Delete(ctx context.Context, id string) (Result, error) {
	ctx, leave, err := d.Life.Enter(ctx)
	if err != nil {
		return Result{}, err
	}
	defer leave()
	r := &removal{Remover: d, id: id, steps: operation.NewEvents(event.Delete, id, d.Steps)}
	result, err := r.run(ctx)
	if err != nil && r.begun {
		r.steps.Emit(ctx, event.Event{Step: endOf(err), Error: err.Error()})
	}
	return result, err
}

// endOf is how a delete that has begun ends with an error.
func endOf(err error) event.Name {
	if errors.Is(err, agencyclient.ErrUnknown) && !failpoint.Off("delete-may-be-unknown") {
		return event.DeleteUnknown
	}
	return event.DeleteFailed
}

// removal is one delete.
type removal struct {
	*Remover
	id    string
	steps *operation.Events
	begun bool // its first event was emitted
}

func (d *removal) run(ctx context.Context) (Result, error) {
	for range tries {
		c, root, err := d.Clusters.Latest(ctx)
		if err != nil {
			return Result{}, err
		}
		if err := d.deletable(ctx, c, root, d.id); err != nil {
			return Result{}, err
		}
		if !d.begun {
			d.begun = true
			d.steps.Emit(ctx, event.Event{Step: event.Deleting})
		}
		err = d.commit(ctx, c, root, d.id)
		if errors.Is(err, agencyclient.ErrPrecondition) {
			continue
		}
		if err != nil {
			return Result{}, operation.AgencyError(fmt.Errorf("delete %s: %w", d.id, err))
		}
		d.steps.Emit(ctx, event.Event{Step: event.DeleteDecided})
		pending := d.removePieces(ctx, c, d.id, d.steps)
		d.steps.Emit(ctx, event.Event{Step: event.Deleted, Detail: waiting(c, pending)})
		d.Log.Info("backup deleted", "id", d.id, "pending", pending)
		result := Result{ID: []string{d.id}, Pending: pending}
		if len(pending) > 0 {
			result.ShortNames = c.Names
		}
		return result, nil
	}
	return Result{}, apierror.New(apierror.BackupConflict, "backup %s is not deleted: its record, the servers or the agency lock changed during %d tries; try again", d.id, tries)
}

// deletable says why a backup cannot be deleted; nil if it exists and can be.
func (d *Remover) deletable(ctx context.Context, c *topology.Cluster, root *agencyclient.Node, id string) error {
	var h keys.Holder
	if root.At(keys.HotBackupHolder).Decode(&h) == nil && h.ID == id && root.At(keys.HotBackupCreate).Exists() {
		return apierror.New(apierror.BackupConflict, "backup %s is not deleted: the agency lock is held by %s", id, h.Describe(d.Wall.Now()))
	}
	if _, recorded := c.Commits[id]; recorded {
		return nil
	}
	// A backup that was downloaded, or set aside by a restore, has no record. A server that
	// has a piece of it refuses to remove it without a tombstone.
	answers := fanout.Ask(ctx, c.Members, d.Answer, nil, d.deleteOn(id))
	other := func(err error) bool { return !piece.Absent(err) }
	switch {
	case fanout.FirstOf(answers, func(err error) bool { return errors.Is(err, apierror.BackupConflict) }) != nil:
		return nil
	case len(c.Tombstones[id]) > 0:
		return apierror.New(apierror.NotFound, "backup %s was already %s; these servers remove their pieces when they are back: %s",
			id, c.Deletions[id].Describe(d.Wall.Now()), c.Named(c.Tombstones[id]))
	case fanout.FirstOf(answers, other) != nil:
		return fanout.Unavailable("it is unknown whether there is a backup "+id, fanout.FirstOf(answers, other))
	}
	return apierror.New(apierror.NotFound, "there is no backup %s", id)
}

// commit is the commit point. Its preconditions are what deletable looked at: the record, the
// servers, and that no create or restore has acquired the lock meanwhile.
func (d *Remover) commit(ctx context.Context, c *topology.Cluster, root *agencyclient.Node, id string) error {
	ctx, cancel := d.Life.AfterCommit(ctx, d.Call)
	defer cancel()
	tx := agencyclient.Tx{Ops: map[string]any{keys.HotBackupDeletes: agencyclient.Increment(1)}, Pre: map[string]any{}}
	for _, key := range []string{keys.HotBackupCommit(id), keys.HotBackupNonce, keys.PlanDBServers} {
		tx.Pre[key] = agencyclient.Exactly(root.At(key))
	}
	if root.At(keys.HotBackupCommit(id)).Exists() {
		tx.Ops[keys.HotBackupCommit(id)] = agencyclient.Delete()
	}
	tombstone := keys.Deletion{Coordinator: d.Coordinator, Since: d.Wall.Stamp()}
	// Servers that were removed from the cluster get no tombstone. One that comes back sees from the
	// count of deletions that it must ask which of its pieces still belong to a backup.
	for _, m := range c.Members {
		tx.Ops[keys.HotBackupDeletion(m.ID, id)] = agencyclient.Set(tombstone)
	}
	_, err := d.Agency.Write(ctx, tx)
	return err
}

// removePieces asks the servers to remove their pieces now; otherwise they do when they see the
// tombstones. It returns those that have not removed their piece yet.
func (d *Remover) removePieces(ctx context.Context, c *topology.Cluster, id string, steps *operation.Events) (pending []string) {
	ctx, done := d.Life.AfterCommit(ctx, d.Removal)
	defer done()
	remove := func(ctx context.Context, m fanout.Member) (struct{}, error) {
		_, err := d.deleteOn(id)(ctx, m)
		if err == nil || piece.Absent(err) { // the server may have seen the tombstone first
			steps.Emit(ctx, event.Event{Step: event.PieceRemoved, Server: m.ID})
		}
		return struct{}{}, err
	}
	for _, a := range fanout.Ask(ctx, c.Members, d.Removal, nil, remove) {
		if a.Err != nil && !piece.Absent(a.Err) {
			pending = append(pending, a.ID)
			d.Log.Warn("piece of a deleted backup not removed yet; its server will remove it", "id", id, "error", a.Err)
		}
	}
	return pending
}

func (d *Remover) deleteOn(id string) func(context.Context, fanout.Member) (struct{}, error) {
	return fanout.Silently(func(ctx context.Context, m fanout.Member) error {
		return d.Servers.Delete(ctx, m.Target, dbclient.PieceRequest{ID: id})
	})
}

// waiting names the servers that have not removed their piece yet; "" if all have.
func waiting(c *topology.Cluster, pending []string) string {
	if len(pending) == 0 {
		return ""
	}
	return "removed later by " + c.Named(pending)
}
