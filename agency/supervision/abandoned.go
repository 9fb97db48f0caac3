package supervision

import (
	"context"
	"maps"

	agencyclient "stasis/agency/client"
	"stasis/agency/keys"
	"stasis/agency/supervision/job"
	"stasis/event"
	"stasis/fsm"
)

// removeAbandoned deletes databases and collections whose coordinator will not finish them.
// While Plan is frozen it does not try.
func removeAbandoned(ctx context.Context, p *proposer, root *fsm.Node) {
	if fsm.Frozen(root) {
		return
	}
	gone := map[string]bool{}
	for db, entry := range root.At(keys.PlanDatabases).Children() {
		if evidence := abandoned(root, entry); evidence != nil {
			gone[db] = true
			p.change(ctx, removal(keys.PlanDatabase(db), entry, evidence,
				keys.PlanCollections+"/"+db, keys.Plan+"/Views/"+db, keys.Plan+"/Analyzers/"+db))
		}
	}
	for db, collections := range root.At(keys.PlanCollections).Children() {
		for cid, entry := range collections.Children() {
			if evidence := abandoned(root, entry); evidence != nil && !gone[db] {
				p.change(ctx, removal(keys.PlanCollection(db, cid), entry, evidence))
			}
		}
	}
}

// abandoned gives the preconditions that prove that the entry will not be finished, nil if there
// is no proof: its coordinator has another reboot id, or has FAILED. An entry without owner
// was written by another tool, which may still finish it.
func abandoned(root, entry *fsm.Node) map[string]any {
	var building bool
	owner := entry.At("coordinator").Text()
	if err := entry.At("isBuilding").Decode(&building); err != nil || !building || owner == "" {
		return nil
	}
	reboots := root.At(keys.ServerKnown(owner) + "/rebootId")
	if !fsm.Equal(reboots, entry.At("coordinatorRebootId")) {
		return map[string]any{keys.ServerKnown(owner) + "/rebootId": agencyclient.Exactly(reboots)}
	}
	if status := root.At(keys.Health + "/" + owner + "/Status"); status.Text() == keys.StatusFailed {
		return map[string]any{keys.Health + "/" + owner + "/Status": agencyclient.Exactly(status)}
	}
	return nil
}

// removal deletes an entry of Plan, and what belongs to it elsewhere. It requires the entry as
// it was read: a coordinator that finishes at the same moment keeps it.
func removal(key string, entry *fsm.Node, evidence map[string]any, belongings ...string) job.Decision {
	tx := agencyclient.NewTx()
	tx.Ops[key], tx.Ops[keys.PlanVersion] = agencyclient.Delete(), agencyclient.Increment(1)
	tx.Pre[key] = agencyclient.Exactly(entry)
	maps.Copy(tx.Pre, evidence)
	for _, path := range belongings {
		tx.Ops[path] = agencyclient.Delete()
	}
	return job.Decision{
		Tx: tx, Step: event.CreationRemoved, Server: entry.At("coordinator").Text(), Detail: entry.At("name").Text(),
	}
}
