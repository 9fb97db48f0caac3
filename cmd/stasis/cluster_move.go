package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"stasis/client"
)

func clusterMoveCommand(o *clusterOptions) *cobra.Command {
	var from, to string
	var remains bool
	cmd := &cobra.Command{
		Use:   "move SHARD --to SERVER [--from SERVER]",
		Short: "Move a replica of a shard to another DB server, or its leadership",
		Long: `Move a replica of a shard to another DB server. Without --from it is the leader
that moves. If the server has a replica already, only the leadership goes there, and
the old leader keeps its replica; with --remains-follower it does so in any case.
Servers are named by id or short name.`,
		Example: "  stasis cluster move s10002 --to DBServer0003",
		Args:    usage(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := o.client()
			if err != nil {
				return err
			}
			s, err := findShard(cmd, c, args[0])
			if err != nil {
				return err
			}
			if from == "" {
				from = s.Leader
			}
			return o.startJob(cmd, "moveShard", map[string]any{
				"database": s.Database, "collection": s.CollectionID, "shard": s.Shard, "fromServer": from, "toServer": to, "remainsFollower": remains,
			})
		},
	}
	f := cmd.Flags()
	f.StringVar(&from, "from", "", "the `server` whose replica moves (default: the leader)")
	f.StringVar(&to, "to", "", "the `server` it moves to (required)")
	f.BoolVar(&remains, "remains-follower", false, "the old leader keeps its replica")
	o.addWait(cmd)
	if err := cmd.MarkFlagRequired("to"); err != nil {
		panic(err) // the flag is defined above
	}
	return cmd
}

func findShard(cmd *cobra.Command, c *client.Client, name string) (client.Shard, error) {
	shards, err := c.Shards(cmd.Context(), client.ShardsQuery{})
	if err != nil {
		return client.Shard{}, err
	}
	for _, s := range shards {
		if s.Shard == name {
			return s, nil
		}
	}
	return client.Shard{}, fmt.Errorf("there is no shard %q; stasis shards lists them", name)
}
