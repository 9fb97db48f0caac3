package job

import (
	"strings"

	agencyclient "stasis/agency/client"
	"stasis/agency/keys"
	"stasis/agency/supervision/job/facts"
	"stasis/event"
)

// update makes the transaction that changes a job's record where it is. Like all that follow
// it requires that the record is as it was read, so that two supervisions cannot both take the
// next step of a job.
func (s *sink) update(j facts.Job, edit func(*keys.Job)) agencyclient.Tx {
	next := j.Record
	edit(&next)
	return agencyclient.Tx{
		Ops: map[string]any{j.Key(): next},
		Pre: map[string]any{j.Key(): agencyclient.Exactly(j.Node)},
	}
}

// requeue makes the transaction that takes a job to another queue.
func (s *sink) requeue(j facts.Job, queue string, edit func(*keys.Job)) agencyclient.Tx {
	next := j.Record
	edit(&next)
	return agencyclient.Tx{
		Ops: map[string]any{j.Key(): agencyclient.Delete(), queue + "/" + j.ID: next},
		Pre: map[string]any{j.Key(): agencyclient.Exactly(j.Node)},
	}
}

// start makes the transaction that begins a job and gives it a lock. edit may be nil.
func (s *sink) start(j facts.Job, lock string, edit func(*keys.Job)) agencyclient.Tx {
	tx := s.requeue(j, keys.TargetPending, func(next *keys.Job) {
		next.TimeStarted, next.Reason = stamp(s.now), ""
		if edit != nil {
			edit(next)
		}
	})
	// A lock in the tree rather than a rule of this package: jobs of another leader of the agency, and
	// of other tools, see it too.
	tx.Ops[lock] = j.ID
	tx.Pre[lock] = agencyclient.OldEmpty(true)
	return tx
}

// end makes the transaction that ends a job, in Finished or Failed, and gives its locks back.
func (s *sink) end(j facts.Job, queue, reason string) agencyclient.Tx {
	tx := s.requeue(j, queue, func(next *keys.Job) {
		next.TimeFinished, next.Reason = stamp(s.now), s.shorten(reason)
		if next.TimeStarted == "" && queue == keys.TargetFinished {
			next.TimeStarted = next.TimeFinished
		}
	})
	s.unlock(j, &tx)
	return tx
}

// unlock gives back what a pending job holds. It requires that the job holds it: a lock of the
// same name that another job has is left alone.
func (s *sink) unlock(j facts.Job, tx *agencyclient.Tx) {
	if !j.IsPending() {
		return
	}
	for _, lock := range []string{keys.ShardLocks + "/" + j.Record.Shard, keys.ServerLocks + "/" + j.Record.Server} {
		if !strings.HasSuffix(lock, "/") && s.facts.Root.At(lock).Text() == j.ID {
			tx.Ops[lock] = agencyclient.Delete()
			tx.Pre[lock] = j.ID
		}
	}
}

// credit notes on a job that a transaction finishes which server it chose, and why.
func (s *sink) credit(j facts.Job, tx *agencyclient.Tx, server, why string) {
	// end has written the record before the choice was made; the record is completed here.
	ended := keys.TargetFinished + "/" + j.ID
	if record, ok := tx.Ops[ended].(keys.Job); ok {
		record.ToServer, record.Reason = server, s.shorten(why)
		tx.Ops[ended] = record
	}
}

// finish ends a job that has nothing more to do.
func (s *sink) finish(j facts.Job, reason string) {
	s.conclude(j, keys.TargetFinished, event.JobFinished, reason)
}

// fail ends a job that cannot be done and has changed nothing in Plan that has to be undone.
func (s *sink) fail(j facts.Job, reason string) {
	s.conclude(j, keys.TargetFailed, event.JobFailed, reason)
}

func (s *sink) conclude(j facts.Job, queue string, step event.Name, reason string) {
	detail := j.Record.Type
	if reason != "" {
		detail += ": " + reason
	}
	s.decideOn(j, Decision{Tx: s.end(j, queue, reason), Step: step, Detail: detail})
}

// setBack makes a pending job one to do again, so that nothing is pending while an operation
// waits for the agency lock. What the job has done so far stays done.
func (s *sink) setBack(j facts.Job, reason string) {
	tx := s.requeue(j, keys.TargetToDo, func(next *keys.Job) { next.TimeStarted, next.Reason = "", s.shorten(reason) })
	s.unlock(j, &tx)
	s.decideOn(j, Decision{Tx: tx, Step: event.JobSetBack, Detail: j.Record.Type + ": " + reason})
}

// note writes on a job's record why it does not go on, once for each reason.
func (s *sink) note(j facts.Job, reason string) {
	if reason = s.shorten(reason); j.Record.Reason == reason {
		return
	}
	tx := s.update(j, func(next *keys.Job) { next.Reason = reason })
	s.decideOn(j, Decision{Tx: tx, Step: event.JobWaits, Detail: j.Record.Type + ": " + reason})
}
