package admin

import (
	"context"
	"errors"
	"net/http"
	"strconv"

	agencyclient "stasis/agency/client"
	"stasis/agency/keys"
	"stasis/coordinator/catalog"
	"stasis/internal/rest"
)

// create writes jobs for the supervision, all or none, and returns their ids. make returns the
// jobs for a snapshot at least as new as the call. It is called again if a restore happened
// meanwhile.
func (a *API) create(ctx context.Context, make func(*catalog.Snapshot) ([]keys.Job, error)) ([]string, error) {
	for {
		snap, err := a.Catalog.Sync(ctx)
		if err != nil {
			return nil, err
		}
		jobs, err := make(snap)
		if err != nil || len(jobs) == 0 {
			return nil, err
		}
		tx := agencyclient.Tx{Ops: map[string]any{}, Pre: map[string]any{keys.RestoreEpoch: agencyclient.Exactly(snap.Node(keys.RestoreEpoch))}}
		ids := []string{}
		for _, job := range jobs {
			n, err := a.Catalog.NextID(ctx, snap.Epoch)
			if err != nil {
				return nil, err
			}
			job.JobID, job.Creator, job.TimeCreated = strconv.FormatUint(n, 10), a.ID, a.Wall.Stamp()
			ids = append(ids, job.JobID)
			tx.Ops[keys.TargetToDo+"/"+job.JobID] = agencyclient.Set(job)
			tx.Pre[keys.TargetToDo+"/"+job.JobID] = agencyclient.OldEmpty(true)
		}
		err = a.write(ctx, tx)
		if errors.Is(err, agencyclient.ErrPrecondition) {
			continue
		}
		if err != nil {
			return nil, agencyError(err)
		}
		a.Logger.Info("job created", "type", jobs[0].Type, "ids", ids)
		return ids, nil
	}
}

// accept creates one job and answers with its id.
func (a *API) accept(c *rest.Call, make func(*catalog.Snapshot) (keys.Job, error)) error {
	ids, err := a.create(c.R.Context(), func(snap *catalog.Snapshot) ([]keys.Job, error) {
		job, err := make(snap)
		return []keys.Job{job}, err
	})
	if err != nil {
		return err
	}
	return c.OK(http.StatusAccepted, rest.Fields{"id": ids[0]})
}

// serverJob makes the handler of a job about one DB server.
func (a *API) serverJob(kind string) rest.Handler {
	return func(c *rest.Call) error {
		job := keys.Job{}
		name, err := serverOf(c, &job)
		if err != nil {
			return err
		}
		return a.accept(c, func(snap *catalog.Snapshot) (keys.Job, error) {
			id, err := dbserver(snap, name)
			return keys.Job{Type: kind, Server: id, UndoMoves: job.UndoMoves && kind == keys.JobResignLeadership}, err
		})
	}
}
