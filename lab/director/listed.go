package director

import (
	"context"
	"strings"

	"stasis/client"
	"stasis/lab/scenario"
)

// adopt finds out which creates have made a backup. One whose coordinator could not answer may have: it is judged like
// those that have succeeded.
func (v *recovery) adopt(ctx context.Context) {
	var list client.ListResult
	_, err := until(ctx, callLimit, func(ctx context.Context) (err error) {
		list, err = v.run.world.Clients()[0].Backups().List(ctx)
		return err
	})
	if err != nil {
		v.run.result.violated("serves", 0, "the backups cannot be listed: "+err.Error())
		return
	}
	for _, o := range v.run.stage.operations.all {
		if o.Kind != "create" || !o.state() {
			continue
		}
		for id := range list.List {
			if !labelled(id, o.Backup) {
				continue
			}
			o.listed = true
			if o.err != nil {
				v.run.result.note("%s has failed and its backup is listed: it is judged", o.Label)
				o.created.ID, o.cut.Returned = id, v.run.history.Now()
			}
		}
	}
}

// isListed judges whether the backups of operations are listed, or are not.
func (r *run) isListed(e scenario.Expectation, want bool) string {
	var wrong []string
	for _, o := range r.named(e) {
		switch {
		case o.listed && !want:
			wrong = append(wrong, o.created.ID+" is listed")
		case !o.listed && want:
			wrong = append(wrong, "there is no backup of "+outcome(o))
		}
	}
	return strings.Join(wrong, "; ")
}
