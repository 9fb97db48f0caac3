package reader

import (
	"context"
	"errors"
	"fmt"
	"slices"
)

// Report is what reading a whole backup has found.
type Report struct {
	Contents
	Shards   int `json:"shards"`
	Replicas int `json:"replicas"` // that were read in the pieces
	// InSync counts the replicas that were in sync at the cut by the statements of their leaders: those of one shard
	// were compared with each other. A backup of format 1 and a failsafe have no statements, so there are none.
	InSync    int      `json:"inSync"`
	PlanIndex uint64   `json:"planIndex"` // of the Plan that was restored
	Problems  []string `json:"problems"`  // empty: everything is as it should be
}

// Inspect reads everything in the backup and compares it: the documents as a client finds them, and the replicas as the pieces have
// them. progress is that of [ReadAll]. A replica that is not what was stated is a problem; an
// error says that nothing is known.
func (r *Reader) Inspect(ctx context.Context, progress func(Contents)) (Report, error) {
	_, index := r.Plan()
	report := Report{Shards: len(r.set.shards), PlanIndex: index, Problems: []string{}}
	var err error
	if report.Contents, err = ReadAll(ctx, r.client, progress); err != nil {
		return report, err
	}
	replicas, err := r.Replicas(ctx)
	if err != nil {
		if ctx.Err() == nil && !errors.Is(reason(err), ErrUnreadable) {
			report.Problems, err = append(report.Problems, err.Error()), nil
		}
		return report, err
	}
	report.Replicas = len(replicas)
	report.Problems = append(report.Problems, Unequal(replicas)...)
	first := slices.DeleteFunc(slices.Clone(replicas), func(p Replica) bool { return !p.InSync })
	report.InSync = len(first)
	first = slices.CompactFunc(first, func(a, b Replica) bool { return a.Shard == b.Shard })
	if len(first) < report.Shards {
		return report, nil // of some shards it is not known who was in sync
	}
	if documents := documentsOf(first); documents != report.Documents {
		report.Problems = append(report.Problems, fmt.Sprintf("the replicas in the pieces have %d documents, a client finds %d", documents, report.Documents))
	}
	return report, nil
}
