package admin

import (
	"encoding/json"
	"errors"
	"net/http"

	agencyclient "stasis/agency/client"
	"stasis/agency/keys"
	"stasis/coordinator/catalog"
	"stasis/internal/apierror"
	"stasis/internal/rest"
)

// jobStates has the keys under which jobs are, by their status.
var jobStates = []struct{ key, status string }{
	{keys.TargetToDo, "ToDo"}, {keys.TargetPending, "Pending"}, {keys.TargetFinished, "Finished"}, {keys.TargetFailed, "Failed"},
}

// find returns a job's node, its key and its status.
func find(snap *catalog.Snapshot, id string) (node *agencyclient.Node, key, status string, err error) {
	for _, state := range jobStates {
		if n := snap.Node(state.key).At(id); id != "" && n.Exists() {
			return n, state.key + "/" + id, state.status, nil
		}
	}
	return nil, "", "", notFound("unknown job %q", id)
}

// queryJob answers with a job and its status.
func (a *API) queryJob(c *rest.Call) error {
	id := c.Query.Get("id")
	if id == "" {
		return badParameter("the parameter id is missing")
	}
	snap, err := a.Catalog.Sync(c.R.Context())
	if err != nil {
		return err
	}
	node, _, status, err := find(snap, id)
	if err != nil {
		return err
	}
	f := rest.Fields{}
	if node.Decode(&f) != nil {
		f = rest.Fields{}
	}
	f["job"], f["id"], f["status"] = id, id, status
	return c.OK(http.StatusOK, f)
}

// cancelJob asks the supervision to give a job up.
func (a *API) cancelJob(c *rest.Call) error {
	var body struct {
		ID json.RawMessage `json:"id"`
	}
	if err := c.Object(&body); err != nil {
		return err
	}
	id := string(body.ID)
	if unquoted := ""; json.Unmarshal(body.ID, &unquoted) == nil {
		id = unquoted
	}
	if id == "" {
		return badParameter("the attribute id is missing")
	}
	for {
		snap, err := a.Catalog.Sync(c.R.Context())
		if err != nil {
			return err
		}
		node, key, status, err := find(snap, id)
		if err != nil {
			return err
		}
		kind := node.At("type").Text()
		switch {
		case kind != keys.JobMoveShard && kind != keys.JobCleanOutServer:
			return apierror.New(apierror.BadRequest, "a job of type %s cannot be cancelled", kind)
		case status != "ToDo" && status != "Pending":
			return apierror.New(apierror.BadRequest, "job %s is over: %s", id, status)
		}
		err = a.write(c.R.Context(), agencyclient.Tx{
			Ops: map[string]any{key + "/abort": agencyclient.Set(true)},
			Pre: map[string]any{key: agencyclient.OldEmpty(false), keys.RestoreEpoch: agencyclient.Exactly(snap.Node(keys.RestoreEpoch))},
		})
		if errors.Is(err, agencyclient.ErrPrecondition) {
			continue // its status has just changed
		}
		if err != nil {
			return agencyError(err)
		}
		return c.OK(http.StatusOK, rest.Fields{"job": id, "status": "aborted"})
	}
}
