package catalog

import "stasis/internal/apierror"

// MaxReplicationFactor is how many replicas a shard may have at most.
const MaxReplicationFactor = 10

// Replication says how many DB servers have each shard, and how many of them must
// be in sync for it to take writes. Zero fields are not chosen.
type Replication struct {
	Factor  int
	Concern int
}

// or takes what is not chosen from a default, which never asks for more replicas in
// sync than there are.
func (r Replication) or(def Replication) Replication {
	if r.Factor == 0 {
		r.Factor = max(def.Factor, 1)
	}
	if r.Concern == 0 {
		r.Concern = min(max(def.Concern, 1), r.Factor)
	}
	return r
}

// check is nil, or 400/10, for one of which everything is chosen.
func (r Replication) check() error {
	if r.Factor < 1 || r.Factor > MaxReplicationFactor {
		return apierror.New(apierror.BadParameter, "replicationFactor %d: want 1 to %d", r.Factor, MaxReplicationFactor)
	}
	if r.Concern < 1 || r.Concern > r.Factor {
		return apierror.New(apierror.BadParameter, "writeConcern %d: want 1 to the replicationFactor, which is %d", r.Concern, r.Factor)
	}
	return nil
}

// Replication is what Plan says of the collection.
func (c *Collection) Replication() Replication {
	return Replication{}.or(Replication{Factor: c.ReplicationFactor, Concern: c.WriteConcern})
}

// Replication is the default of collections in the database.
func (d *Database) Replication() Replication {
	return Replication{}.or(Replication{Factor: d.ReplicationFactor, Concern: d.WriteConcern})
}
