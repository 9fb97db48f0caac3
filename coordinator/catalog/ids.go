package catalog

import (
	"context"
	"fmt"
)

// blockSize is how many ids are reserved at once. What is left of a block when the
// coordinator ends is never used.
const blockSize = 1 << 18

// ids gives out numbers of reserved blocks.
type ids struct {
	reserve func(ctx context.Context, n uint64) (uint64, error)

	lock  chan struct{} // holds one element while locked: waiting for it ends with a context
	epoch uint64
	first uint64 // next to give out
	end   uint64 // one beyond the block
}

// next returns a number that was never given out. A block serves one epoch: a restore may set
// the cluster's counter back, and numbers reserved before may then be given out again.
func (i *ids) next(ctx context.Context, epoch uint64) (uint64, error) {
	select {
	case i.lock <- struct{}{}:
	case <-ctx.Done():
		return 0, fmt.Errorf("wait for ids: %w", ctx.Err())
	}
	defer func() { <-i.lock }()
	if i.epoch > epoch {
		return 0, fmt.Errorf("ids of epoch %d asked for in epoch %d", epoch, i.epoch)
	}
	if i.epoch != epoch || i.first == i.end {
		first, err := i.reserve(ctx, blockSize)
		if err != nil {
			return 0, fmt.Errorf("reserve ids: %w", err)
		}
		i.epoch, i.first, i.end = epoch, first, first+blockSize
	}
	i.first++
	return i.first - 1, nil
}
