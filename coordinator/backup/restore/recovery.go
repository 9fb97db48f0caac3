package restore

import (
	"context"
	"time"

	"github.com/hashicorp/go-hclog"

	agencyclient "stasis/agency/client"
	"stasis/coordinator/backup/lock"
)

// RecoveryAgency is the part of the agency that a Recovery uses.
type RecoveryAgency interface {
	Write(ctx context.Context, tx agencyclient.Tx) (uint64, error)
}

// RecoveryCache is the watch cache.
type RecoveryCache interface {
	Sync(ctx context.Context) (agencyclient.Snapshot, error)
	Wait(ctx context.Context, ok func(agencyclient.Snapshot) bool) (agencyclient.Snapshot, error)
}

// Recovery completes, on any coordinator, what a committed restore leaves to do. Any number of
// coordinators may run it at once.
type Recovery struct {
	Agency      RecoveryAgency
	Locks       *lock.Locker
	Cache       RecoveryCache
	Coordinator string        // server id
	Call        time.Duration // bounds one call to the agency
	Log         hclog.Logger
}
