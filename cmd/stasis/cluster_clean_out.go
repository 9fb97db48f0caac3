package main

import (
	"github.com/spf13/cobra"

	"stasis/client"
	"stasis/cmd/stasis/flags"
)

func clusterCleanOutCommand(o *clusterOptions) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "clean-out SERVER",
		Short: "Move everything off a DB server, and put nothing on it from then on",
		Args:  flags.Arguments(cobra.ExactArgs(1)),
		RunE: o.coordinator.Run(func(cmd *cobra.Command, c *client.Client, args []string) error {
			id, err := c.Cluster().CleanOut(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			return o.started(cmd, c, id)
		}),
	}
	o.addWait(cmd)
	return cmd
}
