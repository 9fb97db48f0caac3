package catalog

import "stasis/internal/apierror"

// MaxReplicationFactor is how many replicas a shard may have at most.
const MaxReplicationFactor = 10

// Replication says how many DB servers have each shard (Factor), and how many of them must
// be in sync for the shard to take writes (Concern). Zero fields are not chosen.
type Replication struct {
	Factor  int
	Concern int
}

// or takes what is not chosen from a default. A default write concern is lowered to the
// factor.
func (r Replication) or(def Replication) Replication {
	if r.Factor == 0 {
		r.Factor = max(def.Factor, 1)
	}
	if r.Concern == 0 {
		r.Concern = min(max(def.Concern, 1), r.Factor)
	}
	return r
}

// check returns 400/10 if a field is out of its range. All fields must be chosen.
func (r Replication) check() error {
	if r.Factor < 1 || r.Factor > MaxReplicationFactor {
		return apierror.New(apierror.BadParameter, "replicationFactor %d: want 1 to %d", r.Factor, MaxReplicationFactor)
	}
	if r.Concern < 1 || r.Concern > r.Factor {
		return apierror.New(apierror.BadParameter, "writeConcern %d: want 1 to the replicationFactor, which is %d", r.Concern, r.Factor)
	}
	return nil
}
