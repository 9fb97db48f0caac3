package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"stasis/client"
	"stasis/cmd/stasis/flags"
	"stasis/cmd/stasis/show"
	"stasis/internal/wait"
)

func shardsCommand() *cobra.Command {
	var o flags.Coordinator
	var q client.ShardsQuery
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "shards [--collection C] [--database D] [--checksum]",
		Short: "Show where every shard is, which server leads it, and which replicas are in sync",
		Long: `Show where every shard is, which server leads it, and which replicas are in sync.

With --checksum every replica is read and says what it holds; the exit status is 1
unless all replicas of every shard hold the same. Followers apply a write a moment
after their leader, so the command asks again for some seconds; while writers write,
replicas may still be at different writes. "DIVERGED" is something else: different
data up to the same write.`,
		Args: flags.NoArguments,
		RunE: o.Run(func(cmd *cobra.Command, c *client.Client, _ []string) error {
			shards, err := steadyShards(cmd.Context(), c, q)
			if err != nil {
				return err
			}
			if asJSON {
				err = printJSON(cmd.OutOrStdout(), client.Shards{Shards: shards})
			} else {
				err = show.Shards(cmd.OutOrStdout(), shards, serverNames(cmd.Context(), c))
			}
			if err != nil || !q.Checksum {
				return err
			}
			return unlike(shards)
		}),
	}
	o.Add(cmd)
	f := cmd.Flags()
	f.StringVar(&q.Database, "database", "", "only shards of this database, by `name`")
	f.StringVar(&q.Collection, "collection", "", "only shards of this collection, by `name` or id")
	f.BoolVar(&q.Checksum, "checksum", false, "ask every replica what it holds, and compare")
	f.BoolVar(&asJSON, "json", false, "print as JSON")
	return cmd
}

// How long replicas have to come to the same write, and how often they are asked.
const (
	steadyLimit = 5 * time.Second
	steadyPause = 250 * time.Millisecond
)

// steadyShards asks until all replicas are at the same write, or one has diverged, for a
// bounded time.
func steadyShards(ctx context.Context, c *client.Client, q client.ShardsQuery) ([]client.Shard, error) {
	moves := func(s client.Shard) bool { return !s.Identical() && !s.Diverged() }
	for end := time.Now().Add(steadyLimit); ; {
		shards, err := c.Shards(ctx, q)
		if err != nil || !q.Checksum || !slices.ContainsFunc(shards, moves) || slices.ContainsFunc(shards, client.Shard.Diverged) || time.Now().After(end) {
			return shards, err
		}
		if wait.For(ctx, steadyPause) != nil {
			return nil, ctx.Err()
		}
	}
}

// unlike is an error if replicas of some shard are not the same.
func unlike(shards []client.Shard) error {
	var bad []string
	for _, s := range shards {
		if !s.Identical() {
			bad = append(bad, s.Shard)
		}
	}
	if len(bad) > 0 {
		return fmt.Errorf("the replicas of %d of %d shards are not identical: %s", len(bad), len(shards), strings.Join(bad, ", "))
	}
	return nil
}
