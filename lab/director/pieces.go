package director

import (
	"context"
	"errors"

	"stasis/event"
	"stasis/lab/check"
	"stasis/lab/verdict"
	"stasis/lab/world"
)

// judge judges backups and structures.
type judge interface {
	backup(ctx context.Context, w world.World, s check.Subject) (verdict.Backup, []verdict.Violation, error)
	frozen(all []event.Event) []verdict.Violation
	unknown() []string // what of the run could not be seen
}

// pieces judges a backup by its pieces, without touching the cluster, and Plan by the agency's log.
type pieces struct{ plans *check.Plans }

// followPlan is the judge of a run that begins now. stop ends what it follows.
func followPlan(w world.World) (p pieces, stop func()) {
	var agents []string
	all, _, _ := w.Cluster().Nodes()
	for _, n := range all {
		agents = append(agents, n.URL)
	}
	p.plans = check.FollowPlan(w.HTTP(), agents)
	return p, p.plans.Stop
}

func (p pieces) backup(ctx context.Context, w world.World, s check.Subject) (_ verdict.Backup, _ []verdict.Violation, err error) {
	all, err := w.Pieces(s.Created.ID)
	if err != nil {
		return verdict.NotMeasured("", ""), nil, err
	}
	r, found, err := check.Open(ctx, s.Created.ID, all)
	if err != nil || len(found) > 0 {
		return verdict.NotMeasured("", ""), found, err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	s.Plans = p.plans
	return check.Backup(ctx, r, s)
}

func (p pieces) frozen(all []event.Event) []verdict.Violation { return check.Frozen(all, p.plans) }

func (p pieces) unknown() []string { return p.plans.Unknown() }
