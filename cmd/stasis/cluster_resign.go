package main

import (
	"github.com/spf13/cobra"

	"stasis/client"
	"stasis/cmd/stasis/flags"
)

func clusterResignCommand(o *clusterOptions) *cobra.Command {
	var undo bool
	cmd := &cobra.Command{
		Use:   "resign SERVER",
		Short: "Hand the leadership of all shards of a DB server to their followers, before it is stopped",
		Args:  flags.Arguments(cobra.ExactArgs(1)),
		RunE: o.coordinator.Run(func(cmd *cobra.Command, c *client.Client, args []string) error {
			id, err := c.Cluster().Resign(cmd.Context(), args[0], undo)
			if err != nil {
				return err
			}
			return o.started(cmd, c, id)
		}),
	}
	cmd.Flags().BoolVar(&undo, "undo-moves", false, "give the leadership back when the server has restarted")
	o.addWait(cmd)
	return cmd
}
