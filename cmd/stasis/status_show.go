package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"stasis/client"
	"stasis/cmd/stasis/flags"
	"stasis/cmd/stasis/show"
)

func statusCommand() *cobra.Command {
	var o flags.Coordinator
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Show the servers, the agency's leader, the Plan version, the agency lock, and the backups",
		Args:  flags.NoArguments,
		RunE: o.Run(func(cmd *cobra.Command, c *client.Client, _ []string) error {
			s, err := c.Status(cmd.Context())
			if errors.Is(err, client.ErrNotFound) {
				return fmt.Errorf("%s is not a coordinator: %w", c.URL(), err)
			} else if err != nil {
				return err
			}
			list, err := c.Backups().List(cmd.Context())
			if err != nil {
				return fmt.Errorf("list of backups: %w", err)
			}
			if !asJSON {
				return show.Status(cmd.OutOrStdout(), s, list)
			}
			return printJSON(cmd.OutOrStdout(), struct {
				client.Status
				Backups map[string]client.ListedBackup `json:"backups"`
			}{s, list.List})
		}),
	}
	o.Add(cmd)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print as JSON")
	return cmd
}
