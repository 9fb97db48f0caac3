package main

import (
	"errors"

	"github.com/spf13/cobra"

	"stasis/client"
	"stasis/cmd/stasis/flags"
	"stasis/cmd/stasis/show"
	"stasis/internal/signingkey"
)

func keyShowCommand(coordinator *flags.Coordinator) *cobra.Command {
	file, json := "", false
	cmd := &cobra.Command{
		Use:   "show",
		Short: "Print the public keys that sign the cluster's backups",
		Long: `Print the public keys that sign the cluster's backups.

Keep the output away from the cluster and from its backups. After a total loss, it is what
a forged backup is recognised with: it is a file for --key of "stasis backup verify",
"download" and "restore". An attacker who can change it can forge backups.`,
		Args: flags.NoArguments,
		RunE: func(cmd *cobra.Command, args []string) error {
			print := func(found client.SigningKeys) error {
				if json {
					return printJSON(cmd.OutOrStdout(), found)
				}
				show.Keys(cmd.OutOrStdout(), found)
				return nil
			}
			if file != "" {
				key, err := signingkey.Read(file)
				if err != nil {
					return err
				}
				return print(client.SigningKeys{Keys: []client.SigningKey{publicHalf(key)}})
			}
			return coordinator.Run(func(cmd *cobra.Command, c *client.Client, _ []string) error {
				found, err := c.Backups().Keys(cmd.Context())
				if err == nil && len(found.Keys) == 0 {
					err = errors.New("the cluster has no signing key: its backups are not signed. \"stasis key new\" makes one, and coordinators take it with --backup.signing-key")
				}
				if err != nil {
					return err
				}
				return print(found)
			})(cmd, args)
		},
	}
	cmd.Flags().StringVar(&file, "file", "", "`file` with a private key, whose public half is printed: no coordinator is asked")
	cmd.Flags().BoolVar(&json, "json", false, "print as JSON")
	return cmd
}
