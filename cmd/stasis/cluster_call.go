package main

import (
	"cmp"
	"context"
	"fmt"
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

// serverNames asks for the names of servers. Without an answer ids must do.
func serverNames(ctx context.Context, c *client.Client) show.Names {
	s, err := c.Status(ctx)
	if err != nil {
		return nil
	}
	return show.NamesIn(s)
}

// called says by which names a DB server or coordinator can be named.
func called(id string, s client.Server) []string {
	return slices.DeleteFunc([]string{s.ServerName, id, s.Name}, func(name string) bool { return name == "" })
}

// findServers finds DB servers or coordinators by one of their names, and gives them as people read them: "dbserver-1 (PRMR-…)".
func findServer(ctx context.Context, c *client.Client, name string) (string, error) {
	s, err := c.Status(ctx)
	if err != nil {
		return "", err
	}
	names := show.NamesIn(s)
	var found, there []string
	for _, group := range []map[string]client.Server{s.DBServers, s.Coordinators} {
		for id, server := range group {
			there = append(there, names.Both(id))
			if slices.Contains(called(id, server), name) {
				found = append(found, id)
			}
		}
	}
	slices.Sort(there)
	if len(found) == 0 {
		return "", fmt.Errorf("there is no server %q; there are %s", name, strings.Join(there, ", "))
	}
	slices.SortFunc(found, func(a, b string) int { return cmp.Compare(failed(s, a), failed(s, b)) }) // the one that has come in the place of the other first
	if len(found) > 1 && failed(s, found[1]) == failed(s, found[0]) {
		return "", fmt.Errorf("%d servers are called %q: name one by its id: %s", len(found), name, strings.Join(found, ", "))
	}
	return names.Both(found[0]), nil
}

// failed is 1 for a server that has failed, and 0 for others.
func failed(s client.Status, id string) int {
	if s.DBServers[id].Status == "FAILED" || s.Coordinators[id].Status == "FAILED" {
		return 1
	}
	return 0
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
