package client

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"stasis/agency/keys"
)

const (
	systemDatabase = "_system"
	unlocked       = "UNLOCKED" // historic marker beside Plan, Current and Target
	marker         = "none"     // value of keys whose existence is all they say
)

// Bootstrap writes the first keys of a cluster, in one transaction that requires that there is no Plan.
// All servers may call it at the same time, at every start: it is applied once, and returns nil as soon
// as the keys are there.
func Bootstrap(ctx context.Context, c *Client) error {
	for {
		done, err := bootstrapped(ctx, c)
		if err != nil || done {
			return err
		}
		_, err = c.Write(ctx, Tx{
			Ops: firstKeys(c.clusterID(), c.wall.Now()),
			Pre: map[string]any{keys.Plan: OldEmpty(true)},
		})
		if err == nil || !errors.Is(err, ErrPrecondition) {
			return err
		}
	}
}

// clusterID is the UUID of a new cluster: its agency's.
func (c *Client) clusterID() string {
	if o := c.Origin(); o.Exists() && o.Agency != keys.LegacyOrigin.Agency {
		return o.Agency
	}
	return uuid.NewString()
}

// bootstrapped reads whether the first keys are there. A Plan without InitDone
// was not written by a bootstrap.
func bootstrapped(ctx context.Context, c *Client) (bool, error) {
	root, err := c.Read(ctx, keys.InitDone, keys.PlanVersion)
	if err != nil {
		return false, err
	}
	if root.At(keys.InitDone).Exists() {
		return true, nil
	}
	if root.At(keys.Plan).Exists() {
		return false, fmt.Errorf("bootstrap: %w: the agency has a Plan that no bootstrap has written; start the servers with the agency of a cluster, or with an empty one", ErrRejected)
	}
	return false, nil
}

// firstKeys is the tree of a cluster without servers.
func firstKeys(cluster string, now time.Time) map[string]any {
	none := map[string]any{}
	perSystem := map[string]any{systemDatabase: none}
	return map[string]any{
		keys.Cluster:          cluster,
		keys.InitDone:         true,
		keys.AgencyDefinition: 1,
		keys.Readonly:         false,
		keys.Plan: map[string]any{
			"Version":      1,
			"Databases":    map[string]any{systemDatabase: firstDatabase()},
			"Collections":  perSystem,
			"Views":        perSystem,
			"Analyzers":    perSystem,
			"DBServers":    none,
			"Coordinators": none,
			"Lock":         unlocked,
		},
		keys.Current: map[string]any{
			"Version":           1,
			"Databases":         perSystem,
			"Collections":       perSystem,
			"DBServers":         none,
			"Coordinators":      none,
			"ServersRegistered": map[string]any{"Version": 1},
			"ServersKnown":      none,
			"Lock":              unlocked,
		},
		keys.Target: map[string]any{
			"ToDo": none, "Pending": none, "Finished": none, "Failed": none,
			"CleanedServers":     []string{},
			"ToBeCleanedServers": []string{},
			"FailedServers":      none,
			"RemovedServers":     none,
			"MapUniqueToShortID": none,
			"LatestDBServerId":   0, "LatestCoordinatorId": 0,
			"NumberOfDBServers": nil, "NumberOfCoordinators": nil,
			"Lock": unlocked,
		},
		keys.LatestID:     1,
		keys.HeartbeatMS:  1000,
		keys.RestoreEpoch: 0,
		keys.Supervision: map[string]any{
			"Health": none, "DBServers": none, "Shards": none,
			"State": map[string]any{"Mode": "Normal", "Timestamp": stamp(now)},
		},
	}
}

func firstDatabase() keys.Database {
	return keys.Database{ID: "1", Name: systemDatabase, IsSystem: true, ReplicationFactor: 1, WriteConcern: 1}
}

// stamp writes a time as everywhere on the wire: UTC, whole seconds.
func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }
