package admin

import (
	"slices"

	"stasis/agency/keys"
	"stasis/coordinator/catalog"
	"stasis/internal/rest"
)

// moveShard has a replica moved to another DB server; only the leadership, if that server has
// a replica already.
func (a *API) moveShard(c *rest.Call) error {
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

// move checks a move against Plan. It returns the job with ids in place of names.
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
		job.RemainsFollower = true // otherwise a replica is dropped and made again
	}
	return job, nil
}
