package admin

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"time"

	agencyclient "stasis/agency/client"
	"stasis/agency/keys"
	"stasis/coordinator/catalog"
	"stasis/internal/apierror"
	"stasis/internal/rest"
)

// rooms are where jobs are, by their status.
var rooms = []struct{ key, status string }{
	{keys.TargetToDo, "ToDo"}, {keys.TargetPending, "Pending"}, {keys.TargetFinished, "Finished"}, {keys.TargetFailed, "Failed"},
}

// create writes jobs for the supervision, all or none, and gives their ids. make
// says which, from a view as new as now; it is called again if a restore came
// between.
func (a *Admin) create(ctx context.Context, make func(*catalog.Snapshot) ([]keys.Job, error)) ([]string, error) {
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
			job.JobID, job.Creator, job.TimeCreated = strconv.FormatUint(n, 10), a.ID, stamp(time.Now())
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

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// accept creates one job and answers with its id.
func (a *Admin) accept(c *rest.Call, make func(*catalog.Snapshot) (keys.Job, error)) error {
	ids, err := a.create(c.R.Context(), func(snap *catalog.Snapshot) ([]keys.Job, error) {
		job, err := make(snap)
		return []keys.Job{job}, err
	})
	if err != nil {
		return err
	}
	return c.OK(http.StatusAccepted, rest.Fields{"id": ids[0]})
}

// serverJob answers requests for a job about one DB server.
func (a *Admin) serverJob(kind string) rest.Handler {
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

// moveShard has a replica moved to another DB server, or only the lead, if that server
// has a replica already.
func (a *Admin) moveShard(c *rest.Call) error {
	var body struct {
		Database        string `json:"database"`
		Collection      string `json:"collection"`
		Shard           string `json:"shard"`
		FromServer      string `json:"fromServer"`
		ToServer        string `json:"toServer"`
		RemainsFollower bool   `json:"remainsFollower"`
	}
	if err := c.Object(&body); err != nil {
		return err
	}
	if body.Collection == "" || body.Shard == "" || body.FromServer == "" || body.ToServer == "" {
		return badParameter("want the attributes collection, shard, fromServer and toServer")
	}
	if body.Database == "" {
		body.Database = c.DB
	}
	return a.accept(c, func(snap *catalog.Snapshot) (keys.Job, error) {
		return move(snap, keys.Job{
			Type: keys.JobMoveShard, Database: body.Database, Collection: body.Collection, Shard: body.Shard,
			FromServer: body.FromServer, ToServer: body.ToServer, RemainsFollower: body.RemainsFollower,
		})
	})
}

// move checks a move against Plan, with names replaced by ids.
func move(snap *catalog.Snapshot, job keys.Job) (keys.Job, error) {
	coll, ok := snap.Collection(job.Database, job.Collection)
	if !ok {
		return job, notFound("unknown collection %q in database %q", job.Collection, job.Database)
	}
	servers, ok := coll.Shards[job.Shard]
	if !ok || len(servers) == 0 {
		return job, notFound("collection %s has no shard %q", coll.Name, job.Shard)
	}
	var err error
	if job.FromServer, err = dbserver(snap, job.FromServer); err != nil {
		return job, err
	}
	if job.ToServer, err = dbserver(snap, job.ToServer); err != nil {
		return job, err
	}
	job.Collection, job.IsLeader = coll.ID, plain(servers[0]) == job.FromServer
	holds := func(id string) bool {
		return slices.ContainsFunc(servers, func(s string) bool { return plain(s) == id })
	}
	switch {
	case !holds(job.FromServer):
		return job, notFound("%s has no replica of shard %s", job.FromServer, job.Shard)
	case job.FromServer == job.ToServer:
		return job, badParameter("fromServer and toServer are the same: %s", job.ToServer)
	case !job.IsLeader && holds(job.ToServer):
		return job, badParameter("%s has a replica of shard %s already", job.ToServer, job.Shard)
	case job.RemainsFollower && !job.IsLeader:
		return job, badParameter("only a leader can remain as a follower, and %s does not lead shard %s", job.FromServer, job.Shard)
	}
	if job.IsLeader && holds(job.ToServer) {
		job.RemainsFollower = true // else a replica would go that has to be made again
	}
	return job, nil
}

// find gives a job's node and where it is.
func find(snap *catalog.Snapshot, id string) (node *agencyclient.Node, key, status string, err error) {
	for _, room := range rooms {
		if n := snap.Node(room.key).At(id); id != "" && n.Exists() {
			return n, room.key + "/" + id, room.status, nil
		}
	}
	return nil, "", "", notFound("unknown job %q", id)
}

// queryJob answers with a job and where it stands.
func (a *Admin) queryJob(c *rest.Call) error {
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
func (a *Admin) cancelJob(c *rest.Call) error {
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
			continue // it has just gone on
		}
		if err != nil {
			return agencyError(err)
		}
		return c.OK(http.StatusOK, rest.Fields{"job": id, "status": "aborted"})
	}
}
