package shard

import (
	"errors"

	"stasis/internal/apierror"
)

// ErrNoShard is returned for a shard that the engine does not hold.
var ErrNoShard = errors.New("no such shard")

// ErrOldTenure is returned for what comes from a tenure older than one that is known here.
var ErrOldTenure = errors.New("a later tenure is known")

// ErrLeads is returned for records and copies that are sent to the replica that leads.
var ErrLeads = errors.New("this replica leads")

// ErrGap is returned for records that do not continue the log of this replica: the leader has
// to go further back.
var ErrGap = errors.New("the records do not continue this log")

func gone(name string) error {
	return apierror.New(apierror.ShardGone, "shard %s has been dropped", name)
}

func notLeader(name string) error {
	return apierror.New(apierror.NotLeader, "this server does not lead shard %s", name)
}

// unknown is the error of a write whose outcome is not known.
func unknown(shard string, why error) error {
	if errors.Is(why, apierror.NoSpace) {
		return why
	}
	return apierror.New(apierror.ConnectionLost, "shard %s: the outcome is unknown: %w", shard, why)
}
