package main

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"stasis/client"
	"stasis/cmd/stasis/flags"
	"stasis/cmd/stasis/show"
)

// clusterOptions are those that all cluster commands share.
type clusterOptions struct {
	coordinator flags.Coordinator
	json        bool
	wait        bool
}

// shortNames asks for the short names of DB servers. Without an answer ids must do.
func shortNames(ctx context.Context, c *client.Client) show.Names {
	s, err := c.Status(ctx)
	if err != nil {
		return nil
	}
	return show.NamesIn(s)
}

// findServer gives both names of a DB server or coordinator that is named by either.
func findServer(ctx context.Context, c *client.Client, name string) (string, error) {
	s, err := c.Status(ctx)
	if err != nil {
		return "", err
	}
	var there []string
	for _, group := range []map[string]client.Server{s.DBServers, s.Coordinators} {
		for _, id := range slices.Sorted(maps.Keys(group)) {
			both := fmt.Sprintf("%s (%s)", cmp.Or(group[id].Name, "no name"), id)
			if name == id || name == group[id].Name {
				return both, nil
			}
			there = append(there, both)
		}
	}
	return "", fmt.Errorf("there is no server %q; there are %s", name, strings.Join(there, ", "))
}

// findShard finds a shard by its name.
func findShard(ctx context.Context, c *client.Client, name string) (client.Shard, error) {
	shards, err := c.Shards(ctx, client.ShardsQuery{})
	if err != nil {
		return client.Shard{}, err
	}
	for _, s := range shards {
		if s.Shard == name {
			return s, nil
		}
	}
	return client.Shard{}, fmt.Errorf("there is no shard %q; \"stasis shards\" lists them", name)
}
