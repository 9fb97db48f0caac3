package shard

import (
	"context"
	"errors"
	"time"

	dbclient "stasis/dbserver/client"
)

// Prepared is a transaction that is prepared on a shard, and not resolved.
type Prepared struct {
	ID   TxnID
	Home dbclient.TxnShard // knows what becomes of it
}

// Decision says that a transaction is committed.
type Decision struct {
	ID     TxnID
	Others []dbclient.TxnShard // have prepared it
	Seen   time.Time           // when this leader has first had it
}

// Resolve ends a transaction that is prepared here, in this leadership or an earlier one: commit applies its writes, otherwise
// they are gone. It returns when that is applied, and with sync when it is on the disks of all in-sync replicas.
// It can be repeated. found is false if the transaction is not prepared here (any more); with sync everything
// that has ended it is on all disks then. Locks that this leader has inherited for it are released.
// apierror.NotLeader: nothing was done. apierror.ConnectionLost: the outcome is unknown.
func (s *Shard) Resolve(ctx context.Context, id TxnID, commit, sync bool) (found bool, err error) {
	return false, errors.ErrUnsupported
}

// Decision says whether a transaction is committed whose home this shard is, and which others have prepared it. It
// waits for a decision that is in the log and not committed yet. What it has found is on the disks of all in-sync
// replicas. Not found: no decision is kept here; none can come unless the transaction has an open part here.
func (s *Shard) Decision(ctx context.Context, id TxnID) (others []dbclient.TxnShard, found bool, err error) {
	return nil, false, errors.ErrUnsupported
}

// Decisions are all that are kept here; apierror.NotLeader if this replica does not lead.
func (s *Shard) Decisions() ([]Decision, error) { return nil, errors.ErrUnsupported }

// Forget removes decisions, in one record, and returns when that is applied. Those that are not there are
// skipped.
func (s *Shard) Forget(ctx context.Context, ids []TxnID) error { return errors.ErrUnsupported }

// Prepared are all transactions that are prepared here and not resolved; apierror.NotLeader if this replica does not lead.
func (s *Shard) Prepared() ([]Prepared, error) { return nil, errors.ErrUnsupported }

// Settled returns when all transactions that are prepared now are resolved. After 10 s the error is
// apierror.LockTimeout, which names one. A reader of the whole shard that has waited sees all of a transaction of which it
// has seen a part elsewhere. Scan and Documents wait by themselves.
func (s *Shard) Settled(ctx context.Context) error { return errors.ErrUnsupported }
