package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"stasis/client"
	"stasis/cmd/stasis/flags"
)

func keyAcceptCommand(coordinator *flags.Coordinator) *cobra.Command {
	return &cobra.Command{
		Use:   "accept KEY",
		Short: "Add a public key to those of the cluster",
		Long: `Add a public key to those of the cluster. KEY has 64 hexadecimal digits, or is a file with
public keys.

To change the key that signs: make a new one (stasis key new), accept its public half, and
start the coordinators, one after the other, with the new file. Backups that the old key
signed stay the cluster's until that is retired. Save the output of "stasis key show" again.`,
		Args: flags.Arguments(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			found, err := flags.ReadKeys(args[0])
			if err != nil {
				return err
			}
			return coordinator.Run(func(cmd *cobra.Command, c *client.Client, _ []string) error {
				for _, k := range found {
					if err := c.Backups().AcceptKey(cmd.Context(), k); err != nil {
						return err
					}
					fmt.Fprintf(cmd.OutOrStdout(), "accepted key %s\n", k.ID())
				}
				return nil
			})(cmd, args)
		},
	}
}

func keyRetireCommand(coordinator *flags.Coordinator) *cobra.Command {
	return &cobra.Command{
		Use:   "retire ID",
		Short: "Remove a public key from those of the cluster",
		Long: `Remove a public key from those of the cluster, by its id. Backups that are signed with it
count as another cluster's, and a coordinator that has it makes no backup.`,
		Args: flags.Arguments(cobra.ExactArgs(1)),
		RunE: coordinator.Run(func(cmd *cobra.Command, c *client.Client, args []string) error {
			if err := c.Backups().RetireKey(cmd.Context(), args[0]); err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), "retired key %s\n", args[0])
			return nil
		}),
	}
}
