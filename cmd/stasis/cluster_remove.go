package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"stasis/client"
	"stasis/cmd/stasis/flags"
)

func clusterRemoveCommand(o *clusterOptions) *cobra.Command {
	return &cobra.Command{
		Use:   "remove SERVER",
		Short: "Take a stopped server out of the cluster for good",
		Long: `Take a DB server or coordinator out of the cluster for good. Stop it first. A DB
server must have no shard: clean it out before you stop it. The command waits up
to a minute until the server has failed and no shard uses it.`,
		Args: flags.Arguments(cobra.ExactArgs(1)),
		RunE: o.coordinator.Run(func(cmd *cobra.Command, c *client.Client, args []string) error {
			server, err := findServer(cmd.Context(), c, args[0])
			if err != nil {
				return err
			}
			if !o.json {
				fmt.Fprintf(cmd.ErrOrStderr(), "waiting until %s has failed and no shard uses it\n", server)
			}
			if err := c.Cluster().RemoveServer(cmd.Context(), args[0]); err != nil {
				return err
			}
			if o.json {
				return printJSON(cmd.OutOrStdout(), map[string]string{"removed": args[0]})
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%s is not part of the cluster any more\n", server)
			return nil
		}),
	}
}
