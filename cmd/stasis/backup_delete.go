package main

import (
	"github.com/spf13/cobra"

	"stasis/cmd/stasis/flags"
	"stasis/cmd/stasis/show"
)

func backupDeleteCommand(b *flags.Backup) *cobra.Command {
	var id string
	cmd := &cobra.Command{
		Use:   "delete --identifier ID",
		Short: "Delete a backup from all DB servers",
		Args:  flags.NoArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := beginBackup(cmd, b, "delete")
			if err != nil {
				return err
			}
			c.changes = true
			res, err := c.backups().Delete(cmd.Context(), id)
			return c.end(err, res, func(r show.Report) {
				r.Info(show.Result, "Successfully deleted '%s'", id)
				if len(res.Pending) > 0 {
					r.Warn("away at the moment; each removes its piece when it is back: %s", res.Named(res.Pending))
				}
			})
		},
	}
	addIdentifier(cmd, &id)
	return cmd
}
