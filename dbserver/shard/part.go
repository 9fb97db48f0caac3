package shard

import (
	"context"
	"errors"
	"time"

	dbclient "stasis/dbserver/client"
	"stasis/dbserver/locks"
)

// TxnID names a transaction in the whole cluster.
type TxnID = dbclient.TxnID

// ErrPartGone is returned for every use of a part that is void: the leadership that it belonged to has
// ended, or it has been ended, prepared or decided.
var ErrPartGone = errors.New("what the transaction had on this shard is gone")

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
}

// PartLimits bound what a part takes.
type PartLimits struct {
	LockWait time.Duration       // of each wait for a lock; 0: none at all
	Bytes    func(n int64) error // asked before n more bytes are kept; its error is the operation's. nil: no limit
}

// Begin makes the part of a transaction on a shard that this replica leads now; apierror.NotLeader if it does not. o is
// patient. The part has nothing yet, and needs no End.
func (s *Shard) Begin(id TxnID, o *locks.Owner, limits PartLimits) (*Part, error) {
	return nil, errors.ErrUnsupported
}

// Documents applies operations in order: reads, and writes that stay in the part. One that is refused has its error in
// its result; apierror.LockTimeout, Deadlock and ResourceLimit are such errors, too. The revision of a result is the one
// that the document will have. It may stop before the last operation, as [Shard.Documents] does. Its own
// error is ErrPartGone, or the disk's, or what keeps the leader from writing: the part has then what it had, and
// perhaps a part of the operations.
func (p *Part) Documents(ctx context.Context, r dbclient.DocumentsRequest) ([]dbclient.OpResult, error) {
	return nil, errors.ErrUnsupported
}

// Whole takes the lock of the whole shard, and returns when everything that was numbered before is committed.
func (p *Part) Whole(ctx context.Context) error { return errors.ErrUnsupported }

// Truncate takes the whole shard, and removes all documents when the transaction commits.
func (p *Part) Truncate(ctx context.Context) error { return errors.ErrUnsupported }

// Scan is [Shard.Scan] with the part's own writes.
func (p *Part) Scan(ctx context.Context, r dbclient.ScanRequest) (dbclient.ScanResponse, error) {
	return dbclient.ScanResponse{}, errors.ErrUnsupported
}

// Count is the number of documents with the part's own writes.
func (p *Part) Count(ctx context.Context) (dbclient.CountResponse, error) {
	return dbclient.CountResponse{}, errors.ErrUnsupported
}

// Wrote says whether the part has anything to commit.
func (p *Part) Wrote() bool { return false }

// Prepare makes what the part has written durable: it returns when it is on the disks of all in-sync replicas. From
// when it has a number, readers of what it writes wait until it is resolved. After it the part is used no more;
// [Shard.Resolve] ends what it has left. An error that is apierror.ConnectionLost means that the outcome is
// unknown: it may be prepared. After any other error nothing was done.
func (p *Part) Prepare(ctx context.Context, home dbclient.TxnShard) error {
	return errors.ErrUnsupported
}

// Decide commits the transaction: in one record it applies what the part has written, and notes that the
// transaction is committed. It returns when both are applied, and with sync, or if there are others, when they are on the
// disks of all in-sync replicas. After it the part is used no more. Errors are those of Prepare.
func (p *Part) Decide(ctx context.Context, others []dbclient.TxnShard, sync bool) error {
	return errors.ErrUnsupported
}

// End discards what an open part has. After Prepare and Decide it does nothing. It releases no locks.
func (p *Part) End() {}
