package workload

import (
	"context"

	"stasis/client"
)

func createCollection(ctx context.Context, c *client.Client, name string, s Spec) error {
	body := struct {
		Name         string `json:"name"`
		Shards       int    `json:"numberOfShards"`
		Replication  int    `json:"replicationFactor"`
		WriteConcern int    `json:"writeConcern"`
		WaitForSync  bool   `json:"waitForSync"`
	}{name, s.Shards, s.Replication, s.WriteConcern, s.WaitForSync}
	return c.Do(ctx, "POST", "/_api/collection", body, nil)
}
