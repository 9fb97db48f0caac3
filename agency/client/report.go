package client

import (
	"context"
	"errors"
	"fmt"

	"stasis/agency/keys"
)

// beatStamp is finer than other times on the wire: a heartbeat is new for the failure detector if its
// value differs from the one before.
const beatStamp = "2006-01-02T15:04:05.000Z"

// Status of a heartbeat.
const (
	StatusStartup  = "STARTUP"
	StatusServing  = "SERVING"
	StatusShutdown = "SHUTDOWN"
)

// Heartbeat notes in the leader's transient tree that the server lives. Send one every second.
func Heartbeat(ctx context.Context, c *Client, id, status string) error {
	return Beat(ctx, c, id, keys.Heartbeat{Status: status})
}

// Beat is Heartbeat for a server that has more to say. It fills in the time.
func Beat(ctx context.Context, c *Client, id string, beat keys.Heartbeat) error {
	beat.Time = c.wall.Now().UTC().Format(beatStamp)
	err := c.transientWrite(ctx, Tx{Ops: map[string]any{keys.ServerStates + "/" + id: beat}})
	if err != nil {
		return fmt.Errorf("heartbeat of %s: %w", id, err)
	}
	return nil
}

// ReserveIDs takes n numbers from the cluster's id range: first, first+1, …,
// first+n-1 are the caller's alone. An unknown outcome wastes numbers and never
// gives them out twice.
func ReserveIDs(ctx context.Context, c *Client, n uint64) (first uint64, err error) {
	for pauses := newBackoff(); ; {
		root, err := c.Read(ctx, keys.LatestID)
		if err != nil {
			return 0, fmt.Errorf("reserve ids: %w", err)
		}
		latest, ok := root.At(keys.LatestID).Int()
		if !ok || latest < 0 {
			return 0, fmt.Errorf("reserve ids: %w: %s is not a number", ErrRejected, keys.LatestID)
		}
		_, err = c.Write(ctx, Tx{
			Ops: map[string]any{keys.LatestID: uint64(latest) + n},
			Pre: map[string]any{keys.LatestID: latest},
		})
		if err == nil {
			return uint64(latest) + 1, nil
		}
		if !errors.Is(err, ErrPrecondition) || pauses.wait(ctx) != nil {
			return 0, fmt.Errorf("reserve ids: %w", err)
		}
	}
}
