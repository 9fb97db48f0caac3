package main

import (
	"github.com/spf13/cobra"

	"stasis/cmd/stasis/flags"
	"stasis/cmd/stasis/show"
)

func backupListCommand(b *flags.Backup) *cobra.Command {
	var id string
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List backups",
		Args:  flags.NoArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := beginBackup(cmd, b, "list")
			if err != nil {
				return err
			}
			var ids []string
			if id != "" {
				ids = []string{id}
			}
			res, err := c.backups().List(cmd.Context(), ids...)
			return c.end(err, res, func(r show.Report) { show.Backups(r, res) })
		},
	}
	cmd.Flags().StringVar(&id, "identifier", "", "`id` of one backup: list only this one")
	return cmd
}
