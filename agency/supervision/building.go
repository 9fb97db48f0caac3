package supervision

import (
	"context"

	agencyclient "stasis/agency/client"
	"stasis/agency/keys"
	"stasis/agency/supervision/job"
	"stasis/fsm"
)

// removeAbandoned deletes databases and collections that will never be finished.
// While Plan is frozen it does not even try.
func (s *supervisor) removeAbandoned(ctx context.Context, root *fsm.Node) {
	if fsm.Frozen(root) {
		return
	}
	gone := map[string]bool{}
	for db, entry := range root.At(keys.PlanDatabases).Children() {
		if evidence := abandoned(root, entry); evidence != nil {
			gone[db] = true
			s.removeBuild(ctx, keys.PlanDatabase(db), entry, evidence,
				keys.PlanCollections+"/"+db, keys.Plan+"/Views/"+db, keys.Plan+"/Analyzers/"+db)
		}
	}
	for db, collections := range root.At(keys.PlanCollections).Children() {
		for cid, entry := range collections.Children() {
			if evidence := abandoned(root, entry); evidence != nil && !gone[db] {
				s.removeBuild(ctx, keys.PlanCollection(db, cid), entry, evidence)
			}
		}
	}
}

// abandoned gives the preconditions that prove that nobody will finish the entry,
// nil if there is no proof. An entry without owner is left to whoever wrote it.
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

// removeBuild deletes an entry of Plan, and what stands beside it.
func (s *supervisor) removeBuild(ctx context.Context, key string, entry *fsm.Node, evidence map[string]any, beside ...string) {
	tx := agencyclient.Tx{
		Ops: map[string]any{key: agencyclient.Delete(), keys.PlanVersion: agencyclient.Increment(1)},
		Pre: map[string]any{key: agencyclient.Exactly(entry)},
	}
	for path, condition := range evidence {
		tx.Pre[path] = condition
	}
	for _, path := range beside {
		tx.Ops[path] = agencyclient.Delete()
	}
	s.change(ctx, job.Decision{
		Tx: tx, Step: BuildAbandoned, Server: entry.At("coordinator").Text(), Detail: entry.At("name").Text(),
	})
}
