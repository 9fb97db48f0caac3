package shard

import (
	"stasis/internal/apierror"
	"stasis/internal/failpoint"
)

// Batch is what a leader sends to a follower: the records after Prev, and how far all replicas
// have come.
type Batch struct {
	Tenure  Tenure
	Prev    Position // of the record before the first one
	Records []Record
	Commit  uint64 // records up to here are committed
	Sync    bool   // on disk before it is answered
}

// check refuses records that are not the consecutive records of a log which a leader of
// this tenure can have. The error is apierror.BadParameter.
func (b Batch) check() error {
	if failpoint.Off("records-checked") {
		return nil
	}
	prev := b.Prev
	if prev.Seq > maxSeq {
		return apierror.New(apierror.BadParameter, "no log has a record %d", prev.Seq)
	}
	for _, r := range b.Records {
		if r.Seq != prev.Seq+1 {
			return apierror.New(apierror.BadParameter, "record %d stands where %d should", r.Seq, prev.Seq+1)
		}
		if r.Tenure.Compare(prev.Tenure) < 0 || r.Tenure.Compare(b.Tenure) > 0 {
			return apierror.New(apierror.BadParameter, "record %d of tenure %s cannot come after %s, from a leader of tenure %s", r.Seq, r.Tenure, prev, b.Tenure)
		}
		if err := r.check(); err != nil {
			return apierror.New(apierror.BadParameter, "record %d: %w", r.Seq, err)
		}
		prev = r.position()
	}
	return nil
}

// commits is how many records more are committed by this batch, after which the log is as m
// says. Records behind the batch are not counted: they may be of another tenure, and differ
// from those that the leader has committed under their numbers.
func (b Batch) commits(m meta) int {
	end := b.Prev.Seq + uint64(len(b.Records))
	if failpoint.Off("commit-within-batch") {
		end = m.seq
	}
	return max(0, int(min(b.Commit, end))-int(m.committed))
}
