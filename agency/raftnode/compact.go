package raftnode

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/hashicorp/raft"

	"stasis/internal/wait"
)

// SnapshotAfter sets how many entries make a snapshot due, and how many stay after one.
func (n *Node) SnapshotAfter(entries uint64) error {
	n.options.Compaction.Trail(entries)
	return n.reconfigure(func(c *raft.ReloadableConfig) { c.SnapshotThreshold, c.TrailingLogs = entries, entries })
}

// Threshold returns how many entries make a snapshot due.
func (n *Node) Threshold() uint64 { return n.Raft.ReloadableConfig().SnapshotThreshold }

// Raft takes no snapshot between the commit of a change of the membership and its application, which
// follows at once. It has no error of its own for that.
const (
	snapshotTooEarly = "cannot take snapshot now"
	snapshotTries    = 5
	snapshotPause    = 100 * time.Millisecond
)

// Compact takes a snapshot now and shortens Raft's log. If there is nothing to snapshot it does nothing.
func (n *Node) Compact(ctx context.Context) error {
	var err error
	for try := range snapshotTries {
		if try > 0 && wait.For(ctx, snapshotPause) != nil {
			break
		}
		err = n.Waiter.Await(ctx, func() raft.Future { return n.Raft.Snapshot() })
		if err == nil || errors.Is(err, raft.ErrNothingNewToSnapshot) {
			return nil
		}
		if !strings.Contains(err.Error(), snapshotTooEarly) {
			break
		}
	}
	return fmt.Errorf("compact: %w", err)
}

// CompactWhenDue takes the snapshots that are due by bytes, until ctx ends.
func (n *Node) CompactWhenDue(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-n.options.Compaction.Due:
			if err := n.Compact(ctx); err != nil && ctx.Err() == nil {
				n.options.Logger.Warn("Raft's log is long, and no snapshot has been finished; looking again", "error", err, "in", n.options.Settings.SnapshotInterval)
				_ = wait.For(ctx, n.options.Settings.SnapshotInterval) // the loop sees an end
			}
		}
	}
}
