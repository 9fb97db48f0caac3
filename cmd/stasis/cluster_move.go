package main

import (
	"cmp"

	"github.com/spf13/cobra"

	"stasis/client"
	"stasis/cmd/stasis/flags"
)

func clusterMoveCommand(o *clusterOptions) *cobra.Command {
	var m client.MoveShard
	cmd := &cobra.Command{
		Use:   "move SHARD --to SERVER [--from SERVER]",
		Short: "Move a replica of a shard to another DB server, or its leadership",
		Long: `Move a replica of a shard to another DB server. Without --from the leader moves. If
the target has a replica already, only the leadership moves, and the old leader keeps
its replica; with --remains-follower it keeps it in any case.
Servers are named as "stasis status" shows them: dbserver-3, or by id or short name.`,
		Example: "  stasis cluster move s10002 --to dbserver-3",
		Args:    flags.Arguments(cobra.ExactArgs(1)),
		RunE: o.coordinator.Run(func(cmd *cobra.Command, c *client.Client, args []string) error {
			s, err := findShard(cmd.Context(), c, args[0])
			if err != nil {
				return err
			}
			m.Database, m.Collection, m.Shard, m.FromServer = s.Database, s.CollectionID, s.Shard, cmp.Or(m.FromServer, s.Leader)
			id, err := c.Cluster().MoveShard(cmd.Context(), m)
			if err != nil {
				return err
			}
			return o.started(cmd, c, id)
		}),
	}
	f := cmd.Flags()
	f.StringVar(&m.FromServer, "from", "", "`server` whose replica moves (default: the leader)")
	f.StringVar(&m.ToServer, "to", "", "`server` to which it moves (required)")
	f.BoolVar(&m.RemainsFollower, "remains-follower", false, "the old leader keeps its replica")
	o.addWait(cmd)
	flags.Require(cmd, "to")
	return cmd
}
