package job

import (
	"maps"
	"slices"

	agencyclient "stasis/agency/client"
	"stasis/agency/keys"
	"stasis/agency/supervision/job/facts"
	"stasis/event"
)

// removeStaleLocks removes locks whose job is not pending. Jobs give their locks back in the
// transaction that ends them, so only an edit by hand leaves one.
func (p *pass) removeStaleLocks() {
	for _, list := range []string{keys.ShardLocks, keys.ServerLocks} {
		for name, lock := range p.facts.Root.At(list).Children() {
			holder, key := facts.LockHolder(lock), list+"/"+name
			if holder != "" && p.facts.Root.At(keys.TargetPending+"/"+holder).Exists() {
				continue
			}
			tx := agencyclient.NewTx()
			tx.Ops[key] = agencyclient.Delete()
			tx.Pre[key] = agencyclient.Exactly(lock)
			if holder != "" {
				tx.Pre[keys.TargetPending+"/"+holder] = agencyclient.OldEmpty(true)
			}
			p.out.decide(Decision{Tx: tx, Step: event.JobLockRemoved, Job: holder, Detail: name})
		}
	}
}

// A queue of ended jobs is cut down to kept when it has more than kept+slack. The slack makes
// that one transaction in twenty jobs.
const (
	kept  = 500
	slack = 20
)

// trimEnded bounds the queues of ended jobs: the oldest go.
func (p *pass) trimEnded() {
	for _, queue := range []string{keys.TargetFinished, keys.TargetFailed} {
		jobs := p.facts.Root.At(queue)
		if jobs.Len() <= kept+slack {
			continue
		}
		ids := slices.SortedFunc(maps.Keys(maps.Collect(jobs.Children())), facts.CompareIDs)
		tx := agencyclient.NewTx()
		for _, id := range ids[:len(ids)-kept] {
			tx.Ops[queue+"/"+id] = agencyclient.Delete()
		}
		p.out.decide(Decision{Tx: tx})
	}
}
