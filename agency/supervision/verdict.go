package supervision

import (
	"cmp"
	"fmt"
	"strconv"
	"time"

	agencyclient "stasis/agency/client"
	"stasis/agency/keys"
	"stasis/agency/supervision/job"
	"stasis/event"
	"stasis/fsm"
	"stasis/internal/failpoint"
)

// verdictRecord is the record of a new status and what belongs to it: a coordinator that failed
// counts as restarted, so that what it was creating is removed; a DB server that failed is among
// the failed servers until it is GOOD again.
func verdictRecord(root *fsm.Node, s *server, entry keys.HealthEntry, now time.Time) job.Decision {
	health := keys.ServerHealth(s.id)
	was := root.At(health + "/Status")
	tx := agencyclient.NewTx()
	tx.Ops[health] = entry
	tx.Pre[health+"/Status"] = agencyclient.Exactly(was)
	tx.Pre[s.plan] = agencyclient.OldEmpty(false)
	failure := keys.FailedServers + "/" + s.id
	switch {
	case s.isCoordinator && entry.Status == keys.StatusFailed:
		key := keys.ServerKnown(s.id) + "/rebootId"
		reboots := root.At(key)
		n, _ := reboots.Int()
		tx.Ops[key], tx.Pre[key] = n+1, agencyclient.Exactly(reboots)
	case !s.isCoordinator && entry.Status == keys.StatusFailed:
		known := root.At(keys.ServerKnown(s.id))
		tx.Ops[failure] = struct{}{}
		tx.Ops[health+"/Known"] = known
		if !failpoint.Off("verdict-names-the-lease") {
			tx.Pre[keys.ServerKnown(s.id)] = agencyclient.Exactly(known)
		}
		tx.Pre[keys.SupervisionGrace] = agencyclient.Exactly(root.At(keys.SupervisionGrace))
	case !s.isCoordinator && entry.Status == keys.StatusGood && root.At(failure).Exists():
		tx.Ops[failure] = agencyclient.Delete()
	}
	detail := cmp.Or(was.Text(), "unknown") + " → " + entry.Status
	switch {
	case s.hang != nil:
		detail += ", its disk hangs " + s.hang.Hangs
	case entry.Status != keys.StatusGood:
		detail += fmt.Sprintf(", nothing heard for %v", now.Sub(s.seen).Round(time.Second))
	}
	return job.Decision{Tx: tx, Step: event.ServerHealthChanged, Server: s.id, Detail: detail}
}

// addJob adds the job of a failed server, with the number after latest.
func addJob(d *job.Decision, latest *fsm.Node, now time.Time) {
	n, _ := latest.Int()
	d.Job = strconv.FormatInt(n+1, 10)
	d.Tx.Ops[keys.LatestID], d.Tx.Pre[keys.LatestID] = n+1, agencyclient.Exactly(latest)
	d.Tx.Ops[keys.TargetToDo+"/"+d.Job] = keys.Job{
		Type: keys.JobFailedServer, JobID: d.Job, Creator: "supervision", TimeCreated: stamp(now), Server: d.Server,
	}
}

// removedRecords removes the records of servers that are no longer in Plan.
func removedRecords(root *fsm.Node, planned map[string]*server) (all []job.Decision) {
	for id, record := range root.At(keys.Health).Children() {
		if planned[id] != nil {
			continue
		}
		tx := agencyclient.NewTx()
		tx.Ops[keys.Health+"/"+id], tx.Ops[keys.FailedServers+"/"+id] = agencyclient.Delete(), agencyclient.Delete()
		tx.Pre[keys.Health+"/"+id] = agencyclient.Exactly(record)
		for _, plan := range []string{keys.PlanDBServers, keys.PlanCoordinators} {
			tx.Pre[plan+"/"+id] = agencyclient.OldEmpty(true)
		}
		all = append(all, job.Decision{Tx: tx})
	}
	return all
}
