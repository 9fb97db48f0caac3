package transaction

import (
	"context"

	"stasis/internal/failpoint"
)

// Steps of a commit, as the point coordinator/transaction/step names them.
const (
	stepBegun     = "begun"
	stepEntered   = "entered"  // the gates of all servers that it has written to
	stepPrepared  = "prepared" // all shards but the home
	stepDecided   = "decided"
	stepResolved  = "resolved"  // all shards know the decision
	stepForgotten = "forgotten" // the decision
)

func step(ctx context.Context, name string) error {
	return failpoint.Hit(ctx, "coordinator/transaction/step", name)
}

// commitment is one commit.
type commitment struct {
	t       *Transaction
	e       *ending
	ctx     context.Context // with the client's patience; ends when the decision must not be asked for any more
	patient context.Context // with the client's patience; ends with the coordinator
	home    *shard          // nil: nothing is written
	others  []*shard
}
